import Foundation
import Logging

/// How many files and connections this process may have open.
enum DescriptorLimit {
    /// Every machine, image, watcher and client costs descriptors, and shells hand down a low soft limit.
    static func raise(_ logger: Logger) {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 {
            logger.warning("the limit of open files stays low", metadata: ["files": "\(limit.rlim_cur)"])
        }
    }
}
