// Original file: proto/chrysalis/v1/admin.proto

import type { WorkerLoad as _chrysalis_v1_WorkerLoad, WorkerLoad__Output as _chrysalis_v1_WorkerLoad__Output } from '../../chrysalis/v1/WorkerLoad.ts';
import type { QueueState as _chrysalis_v1_QueueState, QueueState__Output as _chrysalis_v1_QueueState__Output } from '../../chrysalis/v1/QueueState.ts';
import type { EndedCount as _chrysalis_v1_EndedCount, EndedCount__Output as _chrysalis_v1_EndedCount__Output } from '../../chrysalis/v1/EndedCount.ts';
import type { Long } from '@grpc/proto-loader';

export interface GetStatusResponse {
  'router'?: (string);
  'now'?: (number | string | Long);
  'startedAt'?: (number | string | Long);
  'policyNumber'?: (number);
  'workers'?: (_chrysalis_v1_WorkerLoad)[];
  'queues'?: (_chrysalis_v1_QueueState)[];
  'accountsWaiting'?: (number);
  'ended'?: (_chrysalis_v1_EndedCount)[];
  'tokensIn'?: (number | string | Long);
  'tokensCached'?: (number | string | Long);
  'tokensOut'?: (number | string | Long);
  'firstTokenP50Ms'?: (number | string);
  'firstTokenP99Ms'?: (number | string);
}

export interface GetStatusResponse__Output {
  'router': (string);
  'now': (string);
  'startedAt': (string);
  'policyNumber': (number);
  'workers': (_chrysalis_v1_WorkerLoad__Output)[];
  'queues': (_chrysalis_v1_QueueState__Output)[];
  'accountsWaiting': (number);
  'ended': (_chrysalis_v1_EndedCount__Output)[];
  'tokensIn': (string);
  'tokensCached': (string);
  'tokensOut': (string);
  'firstTokenP50Ms': (number);
  'firstTokenP99Ms': (number);
}
