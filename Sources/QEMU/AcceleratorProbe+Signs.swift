import Foundation

/// What tells cheaply that KVM cannot work here.
struct KVMSigns: Hashable, Sendable {
    var deviceExists: Bool
    var deviceOpens: Bool
    /// `/proc/cpuinfo`.
    var cpuinfo: String
    var hasParavirtualModule: Bool

    /// Why a boot need not even be tried; `nil`: nothing speaks against it, which proves nothing yet.
    var refusal: String? {
        if !deviceExists { return "there is no /dev/kvm" }
        if !deviceOpens { return "/dev/kvm cannot be opened; join the group kvm or run as root to use it" }
        if hasParavirtualModule { return "the kernel module kvm_pvm gives paravirtual nesting only, on which guests hang" }
        let flags = cpuinfo.split(separator: "\n").first { $0.hasPrefix("flags") } ?? ""
        let has = Set(flags.split(separator: " "))
        guard has.contains("svm") || has.contains("vmx") else { return "/proc/cpuinfo shows neither svm nor vmx" }
        return nil
    }

    static func look() -> KVMSigns {
        let files = FileManager.default
        let text = { (path: String) in files.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? "" }
        let device = open("/dev/kvm", O_RDWR | O_CLOEXEC)
        if device >= 0 { close(device) }
        return KVMSigns(
            deviceExists: files.fileExists(atPath: "/dev/kvm"), deviceOpens: device >= 0, cpuinfo: text("/proc/cpuinfo"),
            hasParavirtualModule: files.fileExists(atPath: "/sys/module/kvm_pvm") || text("/proc/modules").contains("kvm_pvm"))
    }
}

extension AcceleratorProbe {
    /// Why KVM cannot be used just now, without a boot; nil: nothing speaks against it, which proves nothing yet.
    package static func refusalNow() -> String? { KVMSigns.look().refusal }
}
