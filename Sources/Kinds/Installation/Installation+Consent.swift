import Crypto
import Foundation
import Manifest
import NixOS
import Resource

extension Installation {
    /// Holds a person's consent to lose what the disks of a node hold.
    package static let consentAnnotation = Disk.consentAnnotation
    /// Holds a person's word that an installed node is to be installed once more.
    package static let reinstallAnnotation = "plasma.cloud/reinstall"
    /// Holds the system that a person accepts as the node's.
    package static let systemAnnotation = "plasma.cloud/system"
}

extension InstallationRound {
    enum Permission {
        /// - disks: what is about to be formatted.
        case granted(consent: String?, disks: String)
        case denied(String)
    }

    /// Blank disks are nobody's. What an earlier run of this very installation and spec began is its own to begin again, as
    /// long as no other system was seen on the machine. For everything else a person must consent, to these disks as they are
    /// now, once.
    /// - Parameters:
    ///   - isResumed: the run was decided on, and nothing of it was started: the consent that it was given is good as long as it stands.
    ///   - isInstaller: it answers already; else it comes up by kexec, with a kernel that names disks anew.
    ///   - isKnown: who answers is the node's installer, or its own system, and not a machine that nobody knows.
    func permission(_ facts: NodeFacts, _ status: Installation.Status, isResumed: Bool, isInstaller: Bool, isKnown: Bool) -> Permission {
        guard spec.wipes else { return .granted(consent: nil, disks: "") }
        guard let devices = facts.devices else {
            return .denied("the installer does not tell which disks it sees: it has no lsblk that knows --json")
        }
        let kept = node.spec.disks.filter { $0.wipePolicy == .never }.map(\.device.scalarText)
        var found: [BlockDevice] = []
        var named: [String: String] = [:]
        for path in targets(devices) {
            // One disk may have several names.
            let own = facts.kernelPath(of: path)
            if !isInstaller, let why = unsteadiness(of: path, facts, devices) { return .denied(why) }
            if !isLaidOut, let kept = kept.first(where: { facts.kernelPath(of: $0) == own }) {
                return .denied(
                    "nobody here knows which disks \(spec.flake.map { "the flake \($0)" } ?? "its system") formats, and the wipePolicy of \(kept) is Never; take that off "
                        + "(what is on it is asked for then), lay the disks out in spec.disks of Node/\(name) and let plasma render its system, or set diskoMode to mount")
            }
            if let other = kept.first(where: { $0 != path && facts.kernelPath(of: $0) == own }) {
                return .denied("\(path) is the same disk as \(other), whose wipePolicy is Never; leave one of them out of spec.disks of Node/\(name)")
            }
            if let other = named.updateValue(path, forKey: own) {
                return .denied("\(path) is the same disk as \(other); leave one of them out of spec.disks of Node/\(name)")
            }
            guard var device = devices.first(where: { $0.path == facts.kernelPath(of: path) }) else {
                return .denied("the installer sees no disk \(path); it sees \(devices.isEmpty ? "none at all" : devices.map(\.path).joined(separator: ", "))")
            }
            // The kernel may give its own names to other disks with the next boot.
            if let name = path.split(separator: "/").last { device.name = String(name) }
            found.append(device)
        }
        let disks = found.map(identity).joined(separator: ", ")
        let holding = found.filter { !isBlank($0, facts) }
        if holding.isEmpty { return .granted(consent: nil, disks: disks) }
        let (word, consent) = consent(for: holding, facts, status)
        let annotation = installation.metadata.annotations[Installation.consentAnnotation]
        // One that was spent on this run, was not taken back, and says the same as it would now.
        let stands = annotation.map { $0 == status.spentConsents.last && ($0 == word || $0.hasPrefix(word + "-")) } ?? false
        let isOwn = isKnown && status.wasTakenOver != true && status.formattedBy?.hasPrefix(series) == true
        if status.disks == disks, isResumed && stands || isOwn { return .granted(consent: nil, disks: disks) }
        if annotation == consent { return .granted(consent: consent, disks: disks) }
        let spent = annotation.map { status.spentConsents.contains($0) ? "; the consent \($0) is spent" : "; the consent \($0) is for something else" } ?? ""
        let what = holding.map { "\($0.path) (\(identity($0))) holds \(contents($0, facts))" }.joined(separator: "; ")
        return .denied(
            "installing would wipe a disk that is not blank: \(what)\(spent). To lose that: "
                + "plasma annotate installation/\(installation.name) \(Installation.consentAnnotation)=\(consent)")
    }

    private var isLaidOut: Bool { spec.lays(out: node) }

    /// The disks that disko destroys: those that are laid out, but for the ones that must not be wiped; or all.
    private func targets(_ devices: [BlockDevice]) -> [String] {
        if isLaidOut { return node.spec.disks.filter { $0.layout != nil && $0.wipePolicy != .never }.map(\.device.scalarText) }
        return wholeDisks(devices).map(\.path)
    }

    private func wholeDisks(_ devices: [BlockDevice]) -> [BlockDevice] {
        devices.filter { $0.type == "disk" && !$0.name.hasPrefix("zram") && !$0.name.hasPrefix("ram") }
    }

    /// Why a disk that is looked at now may be another one under the installer's kernel; nil where its name tells which it is. A
    /// virtual machine's disks have an order that every kernel finds.
    private func unsteadiness(of path: String, _ facts: NodeFacts, _ devices: [BlockDevice]) -> String? {
        let count = wholeDisks(devices).count
        guard isLaidOut, count > 1, facts.kernelPath(of: path) == path, case .metal = node.spec.machine else { return nil }
        return "\(path) may be another of its \(count) disks when the installer comes up by kexec: each kernel gives such names anew; name the disk by its link "
            + "below /dev/disk/by-id in spec.disks of Node/\(name), or boot the machine with the installer"
    }

    private func isBlank(_ device: BlockDevice, _ facts: NodeFacts) -> Bool {
        device.children.isEmpty && device.filesystem == nil && facts.signatures[device.path] == []
    }

    /// "vda 2147483648 bytes, serial S1"
    private func identity(_ device: BlockDevice) -> String {
        [device.name, device.bytes.map { "\($0) bytes" }, device.serial.flatMap { $0.isEmpty ? nil : "serial \($0)" }].compactMap { $0 }
            .joined(separator: " ")
    }

    private func contents(_ device: BlockDevice, _ facts: NodeFacts) -> String {
        let parts = device.children.map { $0.partitionLabel ?? $0.filesystem ?? $0.name }
        if !parts.isEmpty { return parts.prefix(8).joined(separator: ", ") }
        guard let signatures = facts.signatures[device.path] else { return "nobody knows what: the installer has no wipefs" }
        return signatures.isEmpty ? device.filesystem ?? "something" : signatures.joined(separator: ", ")
    }

    /// Names the life, the spec, and the disks with what they hold: good for nothing else, and once.
    private func consent(for holding: [BlockDevice], _ facts: NodeFacts, _ status: Installation.Status) -> (word: String, next: String) {
        let text = holding.map { "\(identity($0)): \(contents($0, facts))" }.joined(separator: "\n")
        let digest = SHA256.hash(data: Data(text.utf8)).prefix(4).map { String($0, radix: 16).leftPadded(2) }.joined()
        let metadata = installation.metadata
        let word = "wipe-\(metadata.uid.prefix(8))-\(metadata.generation)-\(digest)"
        return (word, numbered(word, status))
    }

    func reinstallWord(_ status: Installation.Status) -> String {
        numbered("reinstall-\(installation.metadata.uid.prefix(8))", status)
    }

    func reinstallCommand(_ status: Installation.Status) -> String {
        "plasma annotate installation/\(installation.name) \(Installation.reinstallAnnotation)=\(reinstallWord(status))"
    }

    private func numbered(_ word: String, _ status: Installation.Status) -> String {
        let before = status.spentConsents.count { $0 == word || $0.hasPrefix(word + "-") }
        return before == 0 ? word : "\(word)-\(before + 1)"
    }
}

extension String {
    fileprivate func leftPadded(_ count: Int) -> String { String(repeating: "0", count: max(0, count - self.count)) + self }
}

extension Installation.Spec {
    /// Whether plasma itself says which disks of a node are formatted: of a flake that nobody here knows it may be any.
    func lays(out node: Resource<Node>) -> Bool { flake == nil && node.spec.disks.contains { $0.layout != nil } }
}
