// Original file: proto/chrysalis/v1/inference.proto

import type { Offer as _chrysalis_v1_Offer, Offer__Output as _chrysalis_v1_Offer__Output } from '../../chrysalis/v1/Offer.ts';

export interface GetOffersResponse {
  'offers'?: (_chrysalis_v1_Offer)[];
}

export interface GetOffersResponse__Output {
  'offers': (_chrysalis_v1_Offer__Output)[];
}
