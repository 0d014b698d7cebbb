// Separate file: a program that shows MPI alone.
//
// Sends a token once around all ranks and computes π with a sum over them: MPI in Swift, without a word of networks.
//
//     mpirun -np 4 ring

import MPI

/// A part of ∫ 4 / (1 + x²) dx from 0 to 1 by the midpoint rule: the intervals that belong to a rank.
func partOfPi(rank: Int, of size: Int, intervals: Int) -> Double {
  let width = 1 / Double(intervals)
  var sum = 0.0
  for index in stride(from: rank, to: intervals, by: size) {
    let x = (Double(index) + 0.5) * width
    sum += 4 / (1 + x * x)
  }
  return sum * width
}

func run() throws(MPIError) {
  let runtime = try Runtime()
  let world = try runtime.world()
  let (rank, size) = (world.rank, world.size)

  // The token goes from rank to rank and back to rank 0; each rank adds its number. Messages are arrays of any type that
  // MPI knows, and every failure is thrown.
  var token: [Int32] = []
  if rank > 0 { token = try world.receive(atMost: size, from: rank - 1) }
  token.append(Int32(rank))
  if size > 1 { try world.send(token, to: (rank + 1) % size) }
  if rank == 0, size > 1 { token = try world.receive(atMost: size, from: size - 1) }

  let pi = try world.allreduce([partOfPi(rank: rank, of: size, intervals: 1_000_000)], .sum)[0]
  if rank == 0 { print("the token visited ranks \(token), and π is \(pi)") }
  try runtime.finalize()
}

try run()
