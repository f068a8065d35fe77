/**
 * Makes sure that Fashion-MNIST is on this machine before the quickstart. If no mirror can be
 * reached, it installs the package of Debian and Ubuntu; the library itself installs nothing.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { datasets, loadFashionMnist } from 'deepend';

const PACKAGE = 'dataset-fashion-mnist';

if (process.argv.includes('--help')) {
  console.log('Downloads Fashion-MNIST if it is not on this machine, or installs the package');
  console.log(`${PACKAGE} of Debian and Ubuntu where no mirror answers. It takes no flags.`);
  process.exit();
}

/** The command that runs apt-get with the right to install, or undefined. */
function aptGet(): string[] | undefined {
  const works = (command: string, ...args: string[]) =>
    spawnSync(command, args, { stdio: 'ignore' }).status === 0;
  if (!works('apt-get', '--version')) return undefined;
  if (process.getuid?.() === 0) return ['apt-get'];
  return works('sudo', '-n', 'true') ? ['sudo', '-n', 'apt-get'] : undefined;
}

try {
  await loadFashionMnist(1);
} catch (error) {
  const command = aptGet();
  if (!(error instanceof datasets.DataError) || error.code !== 'DEEPEND_NO_DATA' || !command) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
  const [program = '', ...args] = command;
  console.log(
    `Fashion-MNIST is not on this machine and no mirror answers. Installing the package: ${command.join(' ')} install ${PACKAGE}`,
  );
  const apt = (...more: string[]) =>
    execFileSync(program, [...args, ...more], { stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    apt('update', '-q');
    apt('install', '-y', '-q', '--no-install-recommends', PACKAGE);
  } catch {
    console.error(
      `${(error as Error).message}\nand ${command.join(' ')} could not install ${PACKAGE}`,
    );
    process.exit(1);
  }
}
