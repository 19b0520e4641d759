// Original file: proto/chrysalis/v1/payments.proto


export interface GetTermsResponse {
  'priceSheet'?: (Buffer | Uint8Array | string);
  'network'?: (number);
  'payee'?: (string);
  'dispatchKey'?: (Buffer | Uint8Array | string);
}

export interface GetTermsResponse__Output {
  'priceSheet': (Buffer);
  'network': (number);
  'payee': (string);
  'dispatchKey': (Buffer);
}
