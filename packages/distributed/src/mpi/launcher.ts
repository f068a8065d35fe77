/** Whether MPI's launcher started this process, from the variables that launchers set. */
import { EnvironmentError } from '@deepend/core';
import type { Family } from './implementations';

/** How this process was started, and which MPI library the user names. */
export interface Launch {
  /** The launcher's family; undefined where no launcher started this process. */
  readonly family: Family | undefined;
  /** File of the MPI library that the user names. */
  readonly file: string | undefined;
}

/**
 * Reads how this process was started. `DEEPEND_MPI` names the library's file, or is 0 so that a
 * process under a launcher trains by itself.
 * @returns undefined where this process trains by itself
 * @throws EnvironmentError when `DEEPEND_MPI` is neither 0 nor a file's name
 */
export function findLaunch(asked = process.env.DEEPEND_MPI?.trim()): Launch | undefined {
  if (asked === '0') return undefined;
  if (asked && !/[/\\.]/.test(asked)) {
    throw new EnvironmentError(
      '[distributed] DEEPEND_MPI: expected 0 or the file of an MPI library, such as ' +
        `/usr/lib/x86_64-linux-gnu/libmpi.so.40, got "${asked}"`,
    );
  }
  const family = launcherOf();
  return family || asked ? { family, file: asked || undefined } : undefined;
}

function launcherOf(): Family | undefined {
  const { OMPI_COMM_WORLD_SIZE, PMI_SIZE, PMIX_RANK, SLURM_NTASKS } = process.env;
  // One process needs no MPI library: Slurm's srun sets these for every program.
  if ((OMPI_COMM_WORLD_SIZE ?? PMI_SIZE ?? (PMIX_RANK && SLURM_NTASKS)) === '1') return undefined;
  if (OMPI_COMM_WORLD_SIZE) return 'open-mpi'; // mpirun of Open MPI 4 and 5
  if (PMI_SIZE) return 'mpich'; // mpirun of MPICH, Intel MPI and MS-MPI; srun
  return PMIX_RANK ? 'open-mpi' : undefined; // srun --mpi=pmix
}
