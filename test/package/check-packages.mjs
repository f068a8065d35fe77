/** publint and "are the types wrong" on every package as it was built. Any message fails. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

const CHECKS = [
  ['publint', '--strict'],
  ['attw', '--pack', '--format', 'ascii'],
];

let failed = 0;
for (const folder of readdirSync('packages')) {
  for (const [command, ...flags] of CHECKS) {
    const { status, stdout, stderr } = spawnSync(
      `node_modules/.bin/${command}`,
      [...flags, `packages/${folder}`],
      {
        encoding: 'utf8',
      },
    );
    const sound = status === 0 && !/^(Errors|Warnings):/m.test(stdout);
    console.log(`${sound ? 'ok  ' : 'FAIL'} ${command} packages/${folder}`);
    if (!sound) {
      failed++;
      console.log(stdout, stderr);
    }
  }
}
process.exitCode = failed === 0 ? 0 : 1;
