/** Elements, made and found. */

type Attributes = Readonly<Record<string, string | number | boolean | null>>;

/**
 * An element with attributes and children; a null or false attribute is left out, true has no
 * value. Texts are texts, never markup.
 */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    made.setAttribute(key, value === true ? '' : String(value));
  }
  made.append(...children);
  return made;
}

/** The element of the page's own markup that has this id. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** Sets the text of a node only if it changes, so that nothing flickers and selections stay. */
export function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Calls `work` at most once per interval in milliseconds, and once more after the last call; waits
 * for `work`.
 */
export function throttled(work: () => Promise<void>, ms: number): () => void {
  let [runs, again] = [false, false];
  const call = async () => {
    if (runs) {
      again = true;
      return;
    }
    runs = true;
    await work().catch(() => {}); // the server went away: the next news calls again
    setTimeout(() => {
      runs = false;
      if (!again) return;
      again = false;
      call();
    }, ms);
  };
  return call;
}
