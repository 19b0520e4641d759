// Original file: proto/chrysalis/v1/payments.proto

import type { ModelPrice as _chrysalis_v1_ModelPrice, ModelPrice__Output as _chrysalis_v1_ModelPrice__Output } from '../../chrysalis/v1/ModelPrice.ts';

export interface GetTermsResponse {
  'priceSheet'?: (Buffer | Uint8Array | string);
  'network'?: (number);
  'payee'?: (string);
  'dispatchKey'?: (Buffer | Uint8Array | string);
  'priceSignature'?: (Buffer | Uint8Array | string);
  'modelPrices'?: (_chrysalis_v1_ModelPrice)[];
}

export interface GetTermsResponse__Output {
  'priceSheet': (Buffer);
  'network': (number);
  'payee': (string);
  'dispatchKey': (Buffer);
  'priceSignature': (Buffer);
  'modelPrices': (_chrysalis_v1_ModelPrice__Output)[];
}
