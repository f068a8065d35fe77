/**
 * Two network namespaces of one machine, with a cable between them, that Open MPI takes for two
 * hosts which it reaches over TCP.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Launcher } from './mpi';

const NETWORK = '10.213.77';
const HOSTS = [1, 2].map((i) => ({ address: `${NETWORK}.${i}`, name: `deepend-node${i}` }));
const [first, second] = HOSTS as [(typeof HOSTS)[number], (typeof HOSTS)[number]];
/** Names of namespaces and of the cable's ends, at most 15 letters. */
const NAMES = HOSTS.map((_, i) => `dpnd${process.pid}-${i}`) as [string, string];

const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });
const inside = (name: string, ...args: string[]) => ip('netns', 'exec', name, 'ip', ...args);

/** Why there can be no two hosts here; undefined where there can. */
export function whyNoHosts(): string | undefined {
  const name = `${NAMES[0]}try`.slice(0, 15);
  const { status } = spawnSync('ip', ['netns', 'add', name]);
  spawnSync('ip', ['netns', 'del', name]);
  return status === 0
    ? undefined
    : 'needs ip netns; run as root on Linux, with iproute2 (apt install iproute2)';
}

/** What runs a command in a namespace as on a host of that name. */
const onHost = (namespace: string, hostname: string) => [
  ...['netns', 'exec', namespace, 'unshare', '--uts'],
  ...['sh', '-c', `hostname ${hostname}; exec "$@"`, 'sh'],
];

export interface Hosts {
  /** Starts one rank on each. */
  readonly launcher: Launcher;
  /** Bytes that the first has sent to the second so far. */
  bytesSent(): number;
  remove(): void;
}

/** Makes two hosts. @param launcher Open MPI's */
export function makeHosts({ command, ...launcher }: Launcher): Hosts {
  for (const name of NAMES) ip('netns', 'add', name);
  ip('link', 'add', NAMES[0], 'type', 'veth', 'peer', 'name', NAMES[1]);
  NAMES.forEach((name, i) => {
    ip('link', 'set', name, 'netns', name);
    inside(name, 'address', 'add', `${HOSTS[i]?.address}/24`, 'dev', name);
    inside(name, 'link', 'set', name, 'up');
    inside(name, 'link', 'set', 'lo', 'up');
  });
  // Takes the place of ssh: its arguments are the host and the command.
  const folder = mkdtempSync(path.join(tmpdir(), 'deepend-hosts-'));
  const agent = path.join(folder, 'agent.sh');
  const enter = onHost(NAMES[1], second.name).map((word) => `'${word}'`);
  writeFileSync(agent, `#!/bin/sh\nshift\nexec ip ${enter.join(' ')} sh -c "$*"\n`);
  chmodSync(agent, 0o755);
  const settings = {
    plm_rsh_agent: agent,
    btl: 'tcp,self',
    btl_tcp_if_include: `${NETWORK}.0/24`,
    oob_tcp_if_include: `${NETWORK}.0/24`,
  };
  const mca = Object.entries(settings).flatMap(([key, value]) => ['--mca', key, value]);
  const hosts = ['--host', `${first.address}:1,${second.address}:1`];
  return {
    launcher: {
      ...launcher,
      command: 'ip',
      args: [...onHost(NAMES[0], first.name), command, ...mca, ...hosts],
    },
    bytesSent: () => {
      const file = `/sys/class/net/${NAMES[0]}/statistics/tx_bytes`;
      return Number(ip('netns', 'exec', NAMES[0], 'cat', file).toString());
    },
    remove: () => {
      for (const name of NAMES) spawnSync('ip', ['netns', 'del', name]);
      rmSync(folder, { recursive: true });
    },
  };
}
