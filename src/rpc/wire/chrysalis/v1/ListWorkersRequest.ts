// Original file: proto/chrysalis/v1/admin.proto


export interface ListWorkersRequest {
  'from'?: (number);
  'most'?: (number);
}

export interface ListWorkersRequest__Output {
  'from': (number);
  'most': (number);
}
