import Foundation
import Synchronization

/// The phase of a job. The time that a collective may take depends on it.
public enum JobPhase: String, Sendable, Codable, CaseIterable {
  /// Starting MPI and waiting for the other ranks to start.
  case start
  /// Reading data, building the model and other preparations.
  case data
  /// Training steps.
  case step
  case evaluation
  /// Writing a checkpoint.
  case save
  /// Reporting results and leaving the job.
  case end
}

/// The operations that a flight recorder keeps.
public enum CollectiveKind: String, Sendable, Codable, CaseIterable {
  case start
  case barrier
  case broadcast
  case sumOfFloats = "sum of Float"
  case sumOfDoubles = "sum of Double"
  case allgather
  case exchange
  case makeVector = "makeSummedVector"
  case sumOfVector = "sum of a vector"
  case gatherParts = "gathering of a vector's parts"
  case makeHostVector
  case fence = "fence of shared memory"
  case first
  case finalize

  /// Whether all ranks must pass the same number of bytes.
  var needsEqualSizes: Bool { self != .allgather && self != .exchange }
}

/// One collective of one rank.
public struct FlightRecord: Sendable, Codable, Equatable {
  /// The number of the collective, counted from 1. All ranks make the same calls, so the number identifies a
  /// collective.
  public var sequence: Int
  public var operation: CollectiveKind
  /// The bytes that this rank passed.
  public var bytes: Int
  /// The other rank of an exchange.
  public var peer: Int?
  public var phase: JobPhase
  /// The training step, 0 before the first.
  public var step: Int
  /// The seconds from its start to the time when the record was read.
  public var age: Double
  /// The seconds that it took; nil while the rank is still in it.
  public var seconds: Double?
}

/// The last collectives of one rank and its state in the job, in memory that other processes of the host can map.
///
/// Only the rank itself writes, from one thread. Its watchdog and the other ranks on the host read the records. Every
/// word is atomic, and the sequence number of a record is written first and last, so that a reader recognizes a record
/// that is being replaced.
///
/// Recording a collective takes two readings of the clock and eight stores.
final class FlightRecorder: @unchecked Sendable {
  /// The number of records that are kept.
  static let capacity = 256

  /// The stage of a rank in the life of the job.
  enum Stage: UInt64 {
    case starting, joined
    /// The rank leaves on purpose: at the end of the job, or after it has reported an error itself.
    case leaving
  }

  /// The words at the start, before the records.
  private enum Word {
    static let (magic, rank, process, stage) = (0, 1, 2, 3)
    static let (sequence, phase, step) = (4, 5, 6)
    static let (typicalStep, lastStepBegan, measuredSteps) = (7, 8, 9)
    static let isReported = 10
    static let count = 64
  }

  /// The words of a record.
  private enum Field {
    static let (sequence, kind, bytes, peer, phase, step, began, ended) = (0, 1, 2, 3, 4, 5, 6, 7)
    static let count = 8
  }

  private static let magic: UInt64 = 0x726e_6e64_6973_7401
  private static let byteCount = (Word.count + capacity * Field.count) * MemoryLayout<UInt64>.stride

  private let words: UnsafeMutablePointer<Atomic<UInt64>>

  /// Creates the recorder of this process. If there is no path, or the file can't be created, other processes can't
  /// read it.
  init(rank: Int, path: String?) {
    words = path.flatMap { Self.map($0, creates: true) } ?? Self.anonymous()
    self[Word.rank] = UInt64(rank)
    self[Word.process] = UInt64(getpid())
    self[Word.magic] = Self.magic
  }

  /// Opens the recorder of another rank; returns nil if there is no complete one at `path`.
  init?(opening path: String) {
    guard let words = Self.map(path, creates: false) else { return nil }
    self.words = words
    if self[Word.magic] != Self.magic { return nil }
  }

  deinit { munmap(words, Self.byteCount) }

  private static func map(_ path: String, creates: Bool) -> UnsafeMutablePointer<Atomic<UInt64>>? {
    let flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (creates ? O_CREAT | O_TRUNC : 0)
    let descriptor = open(path, flags, 0o600)
    guard descriptor >= 0 else { return nil }
    defer { _ = close(descriptor) }
    var status = stat()
    // Reserves the blocks now, because a store into a page of a full file system raises a fatal signal.
    guard !creates || posix_fallocate(descriptor, 0, off_t(byteCount)) == 0,
      fstat(descriptor, &status) == 0, status.st_size == byteCount
    else { return nil }
    return mapped(MAP_SHARED, descriptor)
  }

  private static func anonymous() -> UnsafeMutablePointer<Atomic<UInt64>> {
    guard let words = mapped(MAP_PRIVATE | MAP_ANONYMOUS, -1) else {
      preconditionFailure("no memory for \(byteCount) bytes of flight records")
    }
    return words
  }

  private static func mapped(_ flags: Int32, _ descriptor: Int32) -> UnsafeMutablePointer<Atomic<UInt64>>? {
    let start = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, descriptor, 0)
    guard let start, Int(bitPattern: start) != -1 else { return nil }
    return start.bindMemory(to: Atomic<UInt64>.self, capacity: byteCount / MemoryLayout<UInt64>.stride)
  }

  private subscript(_ index: Int) -> UInt64 {
    get { words[index].load(ordering: .acquiring) }
    set { words[index].store(newValue, ordering: .releasing) }
  }

  // MARK: - Writing

  /// Records the start of a collective.
  func begin(_ kind: CollectiveKind, bytes: Int = 0, peer: Int? = nil) {
    let sequence = self[Word.sequence] + 1
    let start = Self.start(of: sequence)
    self[start + Field.sequence] = 0
    self[start + Field.kind] = Self.code(of: kind)
    self[start + Field.bytes] = UInt64(bytes)
    self[start + Field.peer] = UInt64((peer ?? -1) + 1)
    self[start + Field.phase] = self[Word.phase]
    self[start + Field.step] = self[Word.step]
    self[start + Field.began] = Self.now
    self[start + Field.ended] = 0
    self[start + Field.sequence] = sequence
    self[Word.sequence] = sequence
  }

  /// Records the end of the last collective.
  func end() { self[Self.start(of: self[Word.sequence]) + Field.ended] = Self.now }

  /// Records the phase of the rank from now on. The time between two calls for training steps is the duration of a
  /// step.
  func enter(_ phase: JobPhase, step: Int) {
    let now = Self.now
    if phase == .step, self[Word.phase] == Self.code(of: .step) { measure(now - self[Word.lastStepBegan]) }
    self[Word.lastStepBegan] = now
    self[Word.phase] = Self.code(of: phase)
    self[Word.step] = UInt64(max(0, step))
  }

  /// Updates the typical duration of a step. A single long step counts little.
  private func measure(_ duration: UInt64) {
    let typical = self[Word.typicalStep]
    let measured = self[Word.measuredSteps]
    self[Word.measuredSteps] = measured + 1
    guard measured > 0 else { return self[Word.typicalStep] = duration }
    let clipped = min(duration, 2 * typical + 1_000_000)
    self[Word.typicalStep] = (typical * 15 + clipped) / 16
  }

  var stage: Stage {
    get { Stage(rawValue: self[Word.stage]) ?? .starting }
    set { self[Word.stage] = newValue.rawValue }
  }

  // MARK: - Reading

  var rank: Int { Int(self[Word.rank]) }
  var process: pid_t { pid_t(self[Word.process]) }
  /// The number of collectives that were started.
  var sequence: Int { Int(self[Word.sequence]) }
  var phase: JobPhase { Self.phase(self[Word.phase]) }
  var step: Int { Int(self[Word.step]) }

  /// The seconds of a typical training step, once three steps have been measured.
  var typicalStep: Double? {
    self[Word.measuredSteps] < 3 ? nil : Double(self[Word.typicalStep]) * 1e-9
  }

  /// The collective that the rank is in; nil between collectives.
  var current: FlightRecord? {
    record(UInt64(sequence)).flatMap { $0.seconds == nil ? $0 : nil }
  }

  /// The last collectives, the newest last.
  func records(_ count: Int) -> [FlightRecord] {
    let last = sequence
    guard last > 0 else { return [] }
    return (max(1, last - min(count, Self.capacity) + 1)...last).compactMap { record(UInt64($0)) }
  }

  /// Returns whether this call is the first that reports the end of this rank. If several ranks call it, only one
  /// receives true.
  func takeReport() -> Bool {
    words[Word.isReported].exchange(1, ordering: .acquiringAndReleasing) == 0
  }

  private func record(_ sequence: UInt64) -> FlightRecord? {
    let start = Self.start(of: sequence)
    guard sequence > 0, self[start + Field.sequence] == sequence else { return nil }
    let now = Self.now
    let (began, ended) = (self[start + Field.began], self[start + Field.ended])
    let peer = Int(self[start + Field.peer]) - 1
    let record = FlightRecord(
      sequence: Int(sequence), operation: Self.kind(self[start + Field.kind]),
      bytes: Int(self[start + Field.bytes]), peer: peer < 0 ? nil : peer,
      phase: Self.phase(self[start + Field.phase]), step: Int(self[start + Field.step]),
      age: Double(max(now, began) - began) * 1e-9,
      seconds: ended == 0 ? nil : Double(max(ended, began) - began) * 1e-9)
    return self[start + Field.sequence] == sequence ? record : nil
  }

  // MARK: - Codes

  private static func start(of sequence: UInt64) -> Int {
    Word.count + Int(sequence % UInt64(capacity)) * Field.count
  }

  // An array of its own for each type, because `allCases` allocates a new one with every call.
  private static let kinds = CollectiveKind.allCases
  private static let phases = JobPhase.allCases

  private static func code(of kind: CollectiveKind) -> UInt64 { UInt64(kinds.firstIndex(of: kind) ?? 0) }
  private static func code(of phase: JobPhase) -> UInt64 { UInt64(phases.firstIndex(of: phase) ?? 0) }
  private static func kind(_ code: UInt64) -> CollectiveKind {
    code < kinds.count ? kinds[Int(code)] : .start
  }
  private static func phase(_ code: UInt64) -> JobPhase { code < phases.count ? phases[Int(code)] : .start }

  /// Nanoseconds of a clock that all processes of a host share.
  static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
