// MPI for Swift: mpi.h of Open MPI or MPICH, and a getter for each of its constants that is a cast, which Swift can't import.
#ifndef CMPI_SHIM_H
#define CMPI_SHIM_H

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

// Handles are pointers in Open MPI and integers in MPICH.
#ifdef MPICH_VERSION
#define SHIM_NULLABLE
#else
#define SHIM_NULLABLE _Nullable
#endif

#pragma clang assume_nonnull begin

static inline MPI_Comm shim_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm shim_comm_self(void) { return MPI_COMM_SELF; }
static inline MPI_Comm shim_comm_null(void) { return MPI_COMM_NULL; }
static inline _Bool shim_is_comm_null(MPI_Comm SHIM_NULLABLE comm) { return comm == MPI_COMM_NULL; }
static inline MPI_Request shim_request_null(void) { return MPI_REQUEST_NULL; }
static inline MPI_Datatype shim_datatype_null(void) { return MPI_DATATYPE_NULL; }
static inline MPI_Op shim_op_null(void) { return MPI_OP_NULL; }
static inline MPI_Win shim_win_null(void) { return MPI_WIN_NULL; }
static inline MPI_Info shim_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Errhandler shim_errors_return(void) { return MPI_ERRORS_RETURN; }
static inline void *shim_in_place(void) { return MPI_IN_PLACE; }

static inline MPI_Datatype shim_int8(void) { return MPI_INT8_T; }
static inline MPI_Datatype shim_uint8(void) { return MPI_UINT8_T; }
static inline MPI_Datatype shim_int16(void) { return MPI_INT16_T; }
static inline MPI_Datatype shim_uint16(void) { return MPI_UINT16_T; }
static inline MPI_Datatype shim_int32(void) { return MPI_INT32_T; }
static inline MPI_Datatype shim_uint32(void) { return MPI_UINT32_T; }
static inline MPI_Datatype shim_int64(void) { return MPI_INT64_T; }
static inline MPI_Datatype shim_uint64(void) { return MPI_UINT64_T; }
static inline MPI_Datatype shim_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype shim_double(void) { return MPI_DOUBLE; }

static inline MPI_Op shim_sum(void) { return MPI_SUM; }
static inline MPI_Op shim_product(void) { return MPI_PROD; }
static inline MPI_Op shim_minimum(void) { return MPI_MIN; }
static inline MPI_Op shim_maximum(void) { return MPI_MAX; }
static inline MPI_Op shim_bitwise_and(void) { return MPI_BAND; }
static inline MPI_Op shim_bitwise_or(void) { return MPI_BOR; }
static inline MPI_Op shim_bitwise_xor(void) { return MPI_BXOR; }
static inline MPI_Op shim_logical_and(void) { return MPI_LAND; }
static inline MPI_Op shim_logical_or(void) { return MPI_LOR; }

#pragma clang assume_nonnull end

#endif
