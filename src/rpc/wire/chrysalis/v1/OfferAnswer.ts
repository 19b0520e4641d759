// Original file: proto/chrysalis/v1/worker.proto


export interface OfferAnswer {
  'id'?: (number);
  'offer'?: (Buffer | Uint8Array | string);
  'refused'?: (string);
  'bundle'?: (Buffer | Uint8Array | string);
  'answer'?: "offer"|"refused";
}

export interface OfferAnswer__Output {
  'id': (number);
  'offer'?: (Buffer);
  'refused'?: (string);
  'bundle': (Buffer);
  'answer'?: "offer"|"refused";
}
