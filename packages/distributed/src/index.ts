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
  worldSize,
} from './mpi/collectives';
export type { Values } from './mpi/world';
