// Original file: proto/chrysalis/v1/payments.proto


export interface ModelPrice {
  'model'?: (Buffer | Uint8Array | string);
  'priceSheet'?: (Buffer | Uint8Array | string);
  'signature'?: (Buffer | Uint8Array | string);
}

export interface ModelPrice__Output {
  'model': (Buffer);
  'priceSheet': (Buffer);
  'signature': (Buffer);
}
