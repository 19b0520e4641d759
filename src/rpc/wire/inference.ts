import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { Candidate as _chrysalis_v1_Candidate, Candidate__Output as _chrysalis_v1_Candidate__Output } from './chrysalis/v1/Candidate.ts';
import type { GetOffersRequest as _chrysalis_v1_GetOffersRequest, GetOffersRequest__Output as _chrysalis_v1_GetOffersRequest__Output } from './chrysalis/v1/GetOffersRequest.ts';
import type { GetOffersResponse as _chrysalis_v1_GetOffersResponse, GetOffersResponse__Output as _chrysalis_v1_GetOffersResponse__Output } from './chrysalis/v1/GetOffersResponse.ts';
import type { InferRequest as _chrysalis_v1_InferRequest, InferRequest__Output as _chrysalis_v1_InferRequest__Output } from './chrysalis/v1/InferRequest.ts';
import type { InferResponse as _chrysalis_v1_InferResponse, InferResponse__Output as _chrysalis_v1_InferResponse__Output } from './chrysalis/v1/InferResponse.ts';
import type { InferenceClient as _chrysalis_v1_InferenceClient, InferenceDefinition as _chrysalis_v1_InferenceDefinition } from './chrysalis/v1/Inference.ts';
import type { ListModelsRequest as _chrysalis_v1_ListModelsRequest, ListModelsRequest__Output as _chrysalis_v1_ListModelsRequest__Output } from './chrysalis/v1/ListModelsRequest.ts';
import type { ListModelsResponse as _chrysalis_v1_ListModelsResponse, ListModelsResponse__Output as _chrysalis_v1_ListModelsResponse__Output } from './chrysalis/v1/ListModelsResponse.ts';
import type { Model as _chrysalis_v1_Model, Model__Output as _chrysalis_v1_Model__Output } from './chrysalis/v1/Model.ts';
import type { Offer as _chrysalis_v1_Offer, Offer__Output as _chrysalis_v1_Offer__Output } from './chrysalis/v1/Offer.ts';
import type { Open as _chrysalis_v1_Open, Open__Output as _chrysalis_v1_Open__Output } from './chrysalis/v1/Open.ts';
import type { SignedReceipt as _chrysalis_v1_SignedReceipt, SignedReceipt__Output as _chrysalis_v1_SignedReceipt__Output } from './chrysalis/v1/SignedReceipt.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  chrysalis: {
    v1: {
      Candidate: MessageTypeDefinition<_chrysalis_v1_Candidate, _chrysalis_v1_Candidate__Output>
      GetOffersRequest: MessageTypeDefinition<_chrysalis_v1_GetOffersRequest, _chrysalis_v1_GetOffersRequest__Output>
      GetOffersResponse: MessageTypeDefinition<_chrysalis_v1_GetOffersResponse, _chrysalis_v1_GetOffersResponse__Output>
      InferRequest: MessageTypeDefinition<_chrysalis_v1_InferRequest, _chrysalis_v1_InferRequest__Output>
      InferResponse: MessageTypeDefinition<_chrysalis_v1_InferResponse, _chrysalis_v1_InferResponse__Output>
      Inference: SubtypeConstructor<typeof grpc.Client, _chrysalis_v1_InferenceClient> & { service: _chrysalis_v1_InferenceDefinition }
      ListModelsRequest: MessageTypeDefinition<_chrysalis_v1_ListModelsRequest, _chrysalis_v1_ListModelsRequest__Output>
      ListModelsResponse: MessageTypeDefinition<_chrysalis_v1_ListModelsResponse, _chrysalis_v1_ListModelsResponse__Output>
      Model: MessageTypeDefinition<_chrysalis_v1_Model, _chrysalis_v1_Model__Output>
      Offer: MessageTypeDefinition<_chrysalis_v1_Offer, _chrysalis_v1_Offer__Output>
      Open: MessageTypeDefinition<_chrysalis_v1_Open, _chrysalis_v1_Open__Output>
      SignedReceipt: MessageTypeDefinition<_chrysalis_v1_SignedReceipt, _chrysalis_v1_SignedReceipt__Output>
    }
  }
}

