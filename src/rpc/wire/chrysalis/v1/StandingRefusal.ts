// Original file: proto/chrysalis/v1/worker.proto

import type { OpenCheck as _chrysalis_v1_OpenCheck, OpenCheck__Output as _chrysalis_v1_OpenCheck__Output } from '../../chrysalis/v1/OpenCheck.ts';
import type { Long } from '@grpc/proto-loader';

export interface StandingRefusal {
  'code'?: (string);
  'message'?: (string);
  'checks'?: (_chrysalis_v1_OpenCheck)[];
  'retryAfterMs'?: (number);
  'at'?: (number | string | Long);
  'policyNumber'?: (number);
  'policyDigest'?: (Buffer | Uint8Array | string);
  'isOutage'?: (boolean);
}

export interface StandingRefusal__Output {
  'code': (string);
  'message': (string);
  'checks': (_chrysalis_v1_OpenCheck__Output)[];
  'retryAfterMs': (number);
  'at': (string);
  'policyNumber': (number);
  'policyDigest': (Buffer);
  'isOutage': (boolean);
}
