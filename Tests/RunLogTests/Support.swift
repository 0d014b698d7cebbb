// Separate file: several suites share it.

import Foundation
import RunLog

/// A disk that is full after `room` bytes.
final class SmallDisk {
  var room: Int

  init(room: Int) { self.room = room }

  var write: WriteCall {
    { [self] descriptor, bytes, count in
      guard room > 0 else {
        errno = ENOSPC
        return -1
      }
      let written = Foundation.write(descriptor, bytes, min(count, room))
      room -= max(0, written)
      return written
    }
  }
}
