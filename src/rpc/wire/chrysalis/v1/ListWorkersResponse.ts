// Original file: proto/chrysalis/v1/admin.proto

import type { WorkerState as _chrysalis_v1_WorkerState, WorkerState__Output as _chrysalis_v1_WorkerState__Output } from '../../chrysalis/v1/WorkerState.ts';

export interface ListWorkersResponse {
  'workers'?: (_chrysalis_v1_WorkerState)[];
  'next'?: (number);
}

export interface ListWorkersResponse__Output {
  'workers': (_chrysalis_v1_WorkerState__Output)[];
  'next': (number);
}
