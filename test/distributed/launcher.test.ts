/** Whether a launcher of MPI started a process, from its variables. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { findLaunch } from '../../packages/distributed/src/mpi/launcher';

const VARIABLES = ['OMPI_COMM_WORLD_SIZE', 'PMI_SIZE', 'PMIX_RANK', 'SLURM_NTASKS', 'DEEPEND_MPI'];
beforeEach(() => {
  for (const name of VARIABLES) vi.stubEnv(name, undefined);
});
afterEach(() => vi.unstubAllEnvs());

const FILE = '/opt/mpi/lib/libmpi.so';

it.each([
  ['no launcher', {}, undefined],
  ['mpirun of Open MPI', { OMPI_COMM_WORLD_SIZE: '4' }, { family: 'open-mpi' }],
  ['mpirun of MPICH', { PMI_SIZE: '2' }, { family: 'mpich' }],
  ['srun with PMIx', { PMIX_RANK: '0', SLURM_NTASKS: '8' }, { family: 'open-mpi' }],
  ['one process', { OMPI_COMM_WORLD_SIZE: '1' }, undefined],
  ['one task of Slurm', { PMI_SIZE: '1' }, undefined],
  ['one task of Slurm with PMIx', { PMIX_RANK: '0', SLURM_NTASKS: '1' }, undefined],
  ['a process that is to train by itself', { PMI_SIZE: '2', DEEPEND_MPI: '0' }, undefined],
  [
    'a library that is named',
    { PMI_SIZE: '2', DEEPEND_MPI: FILE },
    { family: 'mpich', file: FILE },
  ],
])('finds %s', (_, env, expected) => {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const found = findLaunch();
  expect(found && { ...found }).toEqual(expected && { file: undefined, ...expected });
});

it('refuses a library that is no file', () => {
  expect(() => findLaunch('yes')).toThrow(/DEEPEND_MPI: expected 0 or the file .*got 'yes'/);
});
