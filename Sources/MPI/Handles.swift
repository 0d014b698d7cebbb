// Separate file: all differences between the MPI libraries.

import CMPI

// What MPI functions write a handle to. In Open MPI a handle is a pointer, and in C any pointer may be null; in MPICH it is an
// integer. `slot as MPI_Comm?` is a handle of either.
#if MPICH
  typealias CommunicatorSlot = MPI_Comm
  typealias RequestSlot = MPI_Request
  typealias DatatypeSlot = MPI_Datatype
  typealias OperationSlot = MPI_Op
  typealias WindowSlot = MPI_Win
#else
  typealias CommunicatorSlot = MPI_Comm?
  typealias RequestSlot = MPI_Request?
  typealias DatatypeSlot = MPI_Datatype?
  typealias OperationSlot = MPI_Op?
  typealias WindowSlot = MPI_Win?
#endif
