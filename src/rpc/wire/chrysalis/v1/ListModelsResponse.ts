// Original file: proto/chrysalis/v1/inference.proto

import type { Model as _chrysalis_v1_Model, Model__Output as _chrysalis_v1_Model__Output } from '../../chrysalis/v1/Model.ts';

export interface ListModelsResponse {
  'models'?: (_chrysalis_v1_Model)[];
}

export interface ListModelsResponse__Output {
  'models': (_chrysalis_v1_Model__Output)[];
}
