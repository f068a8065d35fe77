/** What the launchers of MPI say, in variables, to the processes that they start. */

/** Families of launchers, each with an MPI library of its own. */
export type LauncherFamily = 'open-mpi' | 'mpich';

/** How MPI's launcher started this process. */
export interface Launcher {
  /** undefined where no launcher started it, or only this process. */
  readonly family: LauncherFamily | undefined;
  /** Its number among the processes on this machine, where the launcher says so. */
  readonly localRank: number | undefined;
  /** The number of processes on this machine; 1 where the launcher does not say. */
  readonly localSize: number;
}

/** Reads how this process was started. */
export function readLauncher(): Launcher {
  const { OMPI_COMM_WORLD_LOCAL_RANK, OMPI_COMM_WORLD_LOCAL_SIZE } = process.env;
  const { MPI_LOCALRANKID, MPI_LOCALNRANKS } = process.env;
  const rank = OMPI_COMM_WORLD_LOCAL_RANK ?? MPI_LOCALRANKID;
  return {
    family: familyOf(),
    localRank: rank === undefined ? undefined : Number(rank),
    localSize: Number(OMPI_COMM_WORLD_LOCAL_SIZE ?? MPI_LOCALNRANKS ?? 1) || 1,
  };
}

function familyOf(): LauncherFamily | undefined {
  const { OMPI_COMM_WORLD_SIZE, PMI_SIZE, PMIX_RANK, SLURM_NTASKS } = process.env;
  // One process needs no MPI library: Slurm's srun sets these for every program.
  if ((OMPI_COMM_WORLD_SIZE ?? PMI_SIZE ?? (PMIX_RANK && SLURM_NTASKS)) === '1') return undefined;
  if (OMPI_COMM_WORLD_SIZE) return 'open-mpi'; // mpirun of Open MPI 4 and 5
  if (PMI_SIZE) return 'mpich'; // mpirun of MPICH, Intel MPI and MS-MPI; srun
  return PMIX_RANK ? 'open-mpi' : undefined; // srun --mpi=pmix
}
