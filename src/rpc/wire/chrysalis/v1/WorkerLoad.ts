// Original file: proto/chrysalis/v1/admin.proto

import type { Long } from '@grpc/proto-loader';

export interface WorkerLoad {
  'workerId'?: (Buffer | Uint8Array | string);
  'name'?: (string);
  'state'?: (string);
  'tee'?: (string);
  'simulated'?: (boolean);
  'modelName'?: (string);
  'leaseExpiresAt'?: (number | string | Long);
  'running'?: (number);
  'slots'?: (number);
  'slotsDeclared'?: (number);
  'breaker'?: (string);
  'requests'?: (number | string | Long);
  'failed'?: (number | string | Long);
  'tokensIn'?: (number | string | Long);
  'tokensCached'?: (number | string | Long);
  'tokensOut'?: (number | string | Long);
  'firstFrameP50Ms'?: (number | string);
  'firstFrameP99Ms'?: (number | string);
  'resumed'?: (boolean);
}

export interface WorkerLoad__Output {
  'workerId': (Buffer);
  'name': (string);
  'state': (string);
  'tee': (string);
  'simulated': (boolean);
  'modelName': (string);
  'leaseExpiresAt': (string);
  'running': (number);
  'slots': (number);
  'slotsDeclared': (number);
  'breaker': (string);
  'requests': (string);
  'failed': (string);
  'tokensIn': (string);
  'tokensCached': (string);
  'tokensOut': (string);
  'firstFrameP50Ms': (number);
  'firstFrameP99Ms': (number);
  'resumed': (boolean);
}
