/** The dashboard's page. Its policy allows only the style and script of the same server. */
import { html } from '../report/html';

/** @param folder as the user named it */
export function renderPage(folder: string): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${folder} · deepend</title>
<link rel="icon" href="icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="page.css">
</head>
<body>
<header>
<div>
<h1><bdi>${folder}</bdi></h1>
<p id="connection" role="status">connecting</p>
</div>
<dl id="machine" aria-label="load of the machine over the last two minutes"></dl>
</header>
<main>
<noscript><p>The dashboard needs JavaScript; deepend plot draws curves without it.</p></noscript>
<p id="spoken" class="spoken" role="status"></p>
<section aria-labelledby="runs">
<div class="bar">
<h2 id="runs">Runs</h2>
<span id="count"></span>
<input id="filter" type="search" aria-label="show runs with these words"
  placeholder="show runs with …" autocomplete="off" spellcheck="false">
</div>
<p id="cut" hidden>There are too many folders to search; name a folder further down.</p>
<p id="empty" class="none">No runs yet. deepend train --out ${folder.replace(/\/+$/, '')}/NAME
starts one.</p>
<div id="list" class="scroll" role="region" aria-labelledby="runs" tabindex="0">
<table>
<thead><tr id="heads"></tr></thead>
<tbody id="rows"></tbody>
</table>
</div>
<ul id="reasons" hidden></ul>
</section>
<section aria-labelledby="curves">
<div class="bar"><h2 id="curves">Curves</h2></div>
<div id="charts"></div>
</section>
<section id="search-section" aria-labelledby="searched" hidden>
<div class="bar"><h2 id="searched">Searches</h2></div>
<div id="searches"></div>
</section>
<section id="settings" aria-labelledby="differing">
<div class="bar"><h2 id="differing">Differences</h2></div>
<div class="scroll" id="differences" role="region" aria-labelledby="differing" tabindex="0"></div>
<details id="same" hidden><summary>the same in all</summary>
<div class="scroll"><table id="shared"></table></div></details>
</section>
<section aria-labelledby="drawn">
<div class="bar"><h2 id="drawn">Pictures</h2></div>
<div id="pictures"></div>
</section>
</main>
<script src="page.js"></script>
</body>
</html>
`.markup;
}

export const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16"' +
  ' rx="3" fill="#0072B2"/><path d="M2.5 3C4 11 8 12 13.500 12.500" fill="none"' +
  ' stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>';
