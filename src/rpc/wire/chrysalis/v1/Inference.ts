// Original file: proto/chrysalis/v1/inference.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { GetOffersRequest as _chrysalis_v1_GetOffersRequest, GetOffersRequest__Output as _chrysalis_v1_GetOffersRequest__Output } from '../../chrysalis/v1/GetOffersRequest.ts';
import type { GetOffersResponse as _chrysalis_v1_GetOffersResponse, GetOffersResponse__Output as _chrysalis_v1_GetOffersResponse__Output } from '../../chrysalis/v1/GetOffersResponse.ts';
import type { InferRequest as _chrysalis_v1_InferRequest, InferRequest__Output as _chrysalis_v1_InferRequest__Output } from '../../chrysalis/v1/InferRequest.ts';
import type { InferResponse as _chrysalis_v1_InferResponse, InferResponse__Output as _chrysalis_v1_InferResponse__Output } from '../../chrysalis/v1/InferResponse.ts';
import type { ListModelsRequest as _chrysalis_v1_ListModelsRequest, ListModelsRequest__Output as _chrysalis_v1_ListModelsRequest__Output } from '../../chrysalis/v1/ListModelsRequest.ts';
import type { ListModelsResponse as _chrysalis_v1_ListModelsResponse, ListModelsResponse__Output as _chrysalis_v1_ListModelsResponse__Output } from '../../chrysalis/v1/ListModelsResponse.ts';

export interface InferenceClient extends grpc.Client {
  GetOffers(argument: _chrysalis_v1_GetOffersRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetOffersResponse__Output>): grpc.ClientUnaryCall;
  GetOffers(argument: _chrysalis_v1_GetOffersRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_GetOffersResponse__Output>): grpc.ClientUnaryCall;
  GetOffers(argument: _chrysalis_v1_GetOffersRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetOffersResponse__Output>): grpc.ClientUnaryCall;
  GetOffers(argument: _chrysalis_v1_GetOffersRequest, callback: grpc.requestCallback<_chrysalis_v1_GetOffersResponse__Output>): grpc.ClientUnaryCall;
  getOffers(argument: _chrysalis_v1_GetOffersRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetOffersResponse__Output>): grpc.ClientUnaryCall;
  getOffers(argument: _chrysalis_v1_GetOffersRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_GetOffersResponse__Output>): grpc.ClientUnaryCall;
  getOffers(argument: _chrysalis_v1_GetOffersRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_GetOffersResponse__Output>): grpc.ClientUnaryCall;
  getOffers(argument: _chrysalis_v1_GetOffersRequest, callback: grpc.requestCallback<_chrysalis_v1_GetOffersResponse__Output>): grpc.ClientUnaryCall;
  
  Infer(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_InferRequest, _chrysalis_v1_InferResponse__Output>;
  Infer(options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_InferRequest, _chrysalis_v1_InferResponse__Output>;
  infer(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_InferRequest, _chrysalis_v1_InferResponse__Output>;
  infer(options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_InferRequest, _chrysalis_v1_InferResponse__Output>;
  
  ListModels(argument: _chrysalis_v1_ListModelsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  ListModels(argument: _chrysalis_v1_ListModelsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  ListModels(argument: _chrysalis_v1_ListModelsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  ListModels(argument: _chrysalis_v1_ListModelsRequest, callback: grpc.requestCallback<_chrysalis_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  listModels(argument: _chrysalis_v1_ListModelsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  listModels(argument: _chrysalis_v1_ListModelsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  listModels(argument: _chrysalis_v1_ListModelsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  listModels(argument: _chrysalis_v1_ListModelsRequest, callback: grpc.requestCallback<_chrysalis_v1_ListModelsResponse__Output>): grpc.ClientUnaryCall;
  
}

export interface InferenceHandlers extends grpc.UntypedServiceImplementation {
  GetOffers: grpc.handleUnaryCall<_chrysalis_v1_GetOffersRequest__Output, _chrysalis_v1_GetOffersResponse>;
  
  Infer: grpc.handleBidiStreamingCall<_chrysalis_v1_InferRequest__Output, _chrysalis_v1_InferResponse>;
  
  ListModels: grpc.handleUnaryCall<_chrysalis_v1_ListModelsRequest__Output, _chrysalis_v1_ListModelsResponse>;
  
}

export interface InferenceDefinition extends grpc.ServiceDefinition {
  GetOffers: MethodDefinition<_chrysalis_v1_GetOffersRequest, _chrysalis_v1_GetOffersResponse, _chrysalis_v1_GetOffersRequest__Output, _chrysalis_v1_GetOffersResponse__Output>
  Infer: MethodDefinition<_chrysalis_v1_InferRequest, _chrysalis_v1_InferResponse, _chrysalis_v1_InferRequest__Output, _chrysalis_v1_InferResponse__Output>
  ListModels: MethodDefinition<_chrysalis_v1_ListModelsRequest, _chrysalis_v1_ListModelsResponse, _chrysalis_v1_ListModelsRequest__Output, _chrysalis_v1_ListModelsResponse__Output>
}
