/** The namespace `distributed`: the ranks that `mpirun` started, and operations over them. */
export {
  type AllReduceOptions,
  allGather,
  allReduce,
  type BroadcastOptions,
  barrier,
  broadcast,
  localRank,
  type ReduceOperation,
  rank,
  type Values,
  waitedSeconds,
  worldSize,
} from '@deepend/distributed';
