import Foundation

/// The file system that memory shared between processes lives on: small in many containers.
enum SharedMemoryRoom {
  /// Where Open MPI keeps shared windows.
  static let directory = "/dev/shm"
  /// Left for everybody else, Open MPI's own segments among them.
  private static let reserve = 32 << 20

  /// True if `bytes` more fit. Asked beforehand, because Open MPI's ranks wait for one another for ever when the one that
  /// makes the segment fails.
  static func has(_ bytes: Int, in directory: String = directory) -> Bool {
    var status = statvfs()
    guard statvfs(directory, &status) == 0 else { return false }
    let free = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    return free.overflow || free.partialValue >= UInt64(max(0, bytes)) + UInt64(reserve)
  }
}
