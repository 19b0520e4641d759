export { Buckets, type Rate } from './buckets.ts';
export {
  type Ask,
  Dispatcher,
  type DispatcherDeps,
  type NoPlace,
  type Outcome,
  type Place,
  ROUTING_LIMITS,
  type RoutingLimits,
} from './dispatcher.ts';
export type { Usage, Work } from './load.ts';
