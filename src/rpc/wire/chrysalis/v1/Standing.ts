// Original file: proto/chrysalis/v1/worker.proto

import type { StandingRefusal as _chrysalis_v1_StandingRefusal, StandingRefusal__Output as _chrysalis_v1_StandingRefusal__Output } from '../../chrysalis/v1/StandingRefusal.ts';
import type { Long } from '@grpc/proto-loader';

export interface Standing {
  'state'?: (string);
  'refused'?: (_chrysalis_v1_StandingRefusal | null);
  'leaseExpiresAt'?: (number | string | Long);
  'logIndex'?: (number | string | Long);
  'earned'?: (string);
  'resumed'?: (boolean);
}

export interface Standing__Output {
  'state': (string);
  'refused': (_chrysalis_v1_StandingRefusal__Output | null);
  'leaseExpiresAt': (string);
  'logIndex': (string);
  'earned': (string);
  'resumed': (boolean);
}
