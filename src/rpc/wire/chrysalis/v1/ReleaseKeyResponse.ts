// Original file: proto/chrysalis/v1/release.proto

import type { ReleasedKey as _chrysalis_v1_ReleasedKey, ReleasedKey__Output as _chrysalis_v1_ReleasedKey__Output } from '../../chrysalis/v1/ReleasedKey.ts';
import type { ReleaseRefusal as _chrysalis_v1_ReleaseRefusal, ReleaseRefusal__Output as _chrysalis_v1_ReleaseRefusal__Output } from '../../chrysalis/v1/ReleaseRefusal.ts';

export interface ReleaseKeyResponse {
  'released'?: (_chrysalis_v1_ReleasedKey | null);
  'refused'?: (_chrysalis_v1_ReleaseRefusal | null);
  'answer'?: "released"|"refused";
}

export interface ReleaseKeyResponse__Output {
  'released'?: (_chrysalis_v1_ReleasedKey__Output | null);
  'refused'?: (_chrysalis_v1_ReleaseRefusal__Output | null);
  'answer'?: "released"|"refused";
}
