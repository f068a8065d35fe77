/** Data-parallel training over several devices of one machine. */

export { DeviceGroup, type GroupOptions } from './device-group';
export { checkDevices, requireFirst } from './devices';
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
  waitedSeconds,
  worldSize,
} from './mpi/collectives';
export {
  type OwnStep,
  Ranks,
  type SharedStep,
  type StepCounts,
  type StopRequest,
} from './mpi/ranks';
export type { Values } from './mpi/world';
