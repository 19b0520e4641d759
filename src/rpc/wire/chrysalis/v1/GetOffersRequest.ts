// Original file: proto/chrysalis/v1/inference.proto


export interface GetOffersRequest {
  'hello'?: (Buffer | Uint8Array | string);
  'offersMax'?: (number);
}

export interface GetOffersRequest__Output {
  'hello': (Buffer);
  'offersMax': (number);
}
