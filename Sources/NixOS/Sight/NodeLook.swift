import Foundation

/// The script that asks a machine for its facts, and the reading of its answer.
///
/// Each answer is a line `plasma NAME EXIT BYTES` and so many bytes, the last one `plasma end 0 0`; all else that a login prints is
/// passed over. Needs a POSIX shell, and as much of the rest as it finds: an installer has little. A process more for each answer would
/// be most of what a small or emulated machine does for a look.
package struct NodeLook: Hashable, Sendable {
    /// Absolute paths to take the digest and mode of.
    package var files: [String]
    /// Disks to find: "/dev/vda", "/dev/disk/by-id/…".
    package var disks: [String]
    package enum Signatures: Hashable, Sendable {
        case none
        /// Of the disks that are to be found.
        case ofNamed
        /// Of every disk that there is, by the kernel's name.
        case ofAll
    }

    package var signatures: Signatures

    package init(files: [String] = [], disks: [String] = [], signatures: Signatures = .ofNamed) {
        self.files = files
        self.disks = disks
        self.signatures = signatures
    }

    /// Bytes of an answer that are read.
    package static let answerMax = 4 << 20

    package var script: String {
        let files = files.map(quoted).joined(separator: " ")
        let all = disks.map(quoted).map { " " + $0 }.joined()
        let read =
            switch signatures {
            case .none: ""
            case .ofNamed: all
            case .ofAll: " $(lsblk --nodeps --raw --noheadings --output PATH,TYPE 2>/dev/null | sed -n 's/ disk$//p')"
            }
        return """
            LC_ALL=C; export LC_ALL
            PATH=$PATH:/run/current-system/sw/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
            say() {
              name=$1; shift; text=$("$@" 2>/dev/null); code=$?
              printf 'plasma %s %s %s\\n%s\\n' "$name" "$code" "${#text}" "$text"
            }
            named() { printf '%s\\n' "$1"; shift; "$@"; }
            printf '\\n'
            say release cat /etc/os-release
            lead() { readlink -f "$1" || readlink "$1"; }
            say current lead /run/current-system
            say booted lead /run/booted-system
            say profile lead /nix/var/nix/profiles/system
            boot() { readlink -f "$1/kernel" "$1/initrd" "$1/kernel-modules" || true; }
            say current-boot boot /run/current-system
            say booted-boot boot /run/booted-system
            say failed systemctl list-units --state=failed --plain --no-legend --no-pager
            say lsblk lsblk --json --bytes --output NAME,PATH,TYPE,SIZE,FSTYPE,PARTLABEL,SERIAL,MOUNTPOINTS
            say mounts findmnt --real --raw --noheadings --output TARGET,FSTYPE
            say lvs lvs --reportformat json --units b --nosuffix --options vg_name,lv_name,lv_size
            set --\(files.isEmpty ? "" : " " + files)
            [ $# = 0 ] || say files sha256sum -- "$@"
            [ $# = 0 ] || say modes stat -L -c '%a %n' -- "$@"
            for file in /run/*/cluster-config.json; do [ ! -e "$file" ] || say running named "$file" cat "$file"; done
            for disk in\(all); do say disk named "$disk" readlink -f "$disk"; done
            for disk in\(read); do say signatures named "$disk" wipefs --no-act --noheadings --output TYPE "$disk"; done
            say boot-id cat /proc/sys/kernel/random/boot_id
            say units systemctl show --no-pager --property=Id,ActiveEnterTimestampMonotonic sshd.service ssh.service '*-cluster-join.service'
            say uptime cat /proc/uptime
            printf 'plasma end 0 0\\n'

            """
    }

    /// - Returns: nil when it is not a whole answer.
    package static func read(_ answer: [UInt8]) -> NodeFacts? {
        var sections: [String: String] = [:]
        var facts = NodeFacts(id: "")
        var isWhole = false
        var rest = answer.prefix(answerMax)
        while let line = rest.firstIndex(of: UInt8(ascii: "\n")).map({ rest[..<$0] }) {
            rest = rest[(line.endIndex + 1)...]
            let words = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
            guard words.count == 4, words[0] == "plasma", let code = Int(words[2]), let bytes = Int(words[3]) else { continue }
            guard (0...rest.count).contains(bytes) else { return nil }
            let (name, text) = (words[1], String(decoding: rest.prefix(bytes), as: UTF8.self))
            rest = rest.dropFirst(bytes)
            if name == "end" { isWhole = true }
            if name == "signatures" {
                let lines = text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
                // Without wipefs, or without the disk, nothing is known of it.
                if code == 0, let disk = lines.first { facts.signatures[disk] = lines.dropFirst().filter { !$0.isEmpty } }
            } else if name == "running" {
                let lines = text.split(separator: "\n", maxSplits: 1).map(String.init)
                if code == 0, lines.count == 2, let service = lines[0].split(separator: "/").dropLast().last { facts.running[String(service)] = lines[1] }
            } else if name == "disk" {
                let lines = text.split(separator: "\n").map(String.init)
                if lines.count == 2, lines[1].hasPrefix("/dev/"), lines[0] != lines[1] { facts.aliases[lines[0]] = lines[1] }
            } else if sections[name] == nil, code == 0 || name == "files" || name == "modes" {
                // Of files, those that are there are told though others are missing.
                sections[name] = text
            }
        }
        guard isWhole else { return nil }
        for (name, path) in facts.aliases {
            if let found = facts.signatures.removeValue(forKey: name) { facts.signatures[path] = found }
        }
        let release = assignments(sections["release"] ?? "")
        facts.id = release["ID"] ?? ""
        facts.variant = release["VARIANT_ID"]
        facts.current = path(sections["current"])
        facts.booted = path(sections["booted"])
        facts.profile = path(sections["profile"])
        let boots = ["current-boot", "booted-boot"].compactMap { sections[$0] }.filter { !$0.isEmpty }
        facts.needsReboot = boots.count == 2 ? boots[0] != boots[1] : nil
        facts.failedUnits = sections["failed"].map(units)
        facts.files = files(sections["files"] ?? "", modes: sections["modes"] ?? "")
        facts.devices = sections["lsblk"].flatMap(blockDevices)?.map { $0.known(by: mounts(sections["mounts"] ?? "")) }
        facts.volumes = sections["lvs"].flatMap(logicalVolumes)
        facts.boot = boot(sections)
        return facts
    }

    /// systemd's moments are microseconds since the kernel was started; 0: never.
    private static func boot(_ sections: [String: String]) -> BootFacts? {
        guard let id = sections["boot-id"]?.trimmingCharacters(in: .whitespacesAndNewlines), !id.isEmpty,
            let uptime = sections["uptime"]?.split(separator: " ").first.flatMap({ Double($0) }), uptime.isFinite, uptime >= 0
        else { return nil }
        var facts = BootFacts(id: id, uptime: uptime)
        for block in (sections["units"] ?? "").components(separatedBy: "\n\n") {
            let values = assignments(block)
            guard let unit = values["Id"], let reached = values["ActiveEnterTimestampMonotonic"].flatMap({ UInt64($0) }) else { continue }
            let seconds = Double(reached) / 1e6
            if reached > 0, seconds <= uptime { facts.units[unit] = seconds } else if unit.hasSuffix("-cluster-join.service") { facts.pending.append(unit) }
        }
        facts.pending.sort()
        return facts
    }

    /// File systems by mount point, as the kernel has them: "/var/lib ext4".
    private static func mounts(_ text: String) -> [String: String] {
        let pairs = text.split(separator: "\n").map { $0.split(separator: " ") }.filter { $0.count == 2 }
        return Dictionary(pairs.map { (String($0[0]), String($0[1])) }, uniquingKeysWith: { first, _ in first })
    }

    private static func path(_ text: String?) -> String? {
        guard let text = text?.trimmingCharacters(in: .whitespacesAndNewlines), text.hasPrefix("/"), !text.contains("\n") else { return nil }
        // readlink -f answers with the link itself when it leads nowhere.
        return ["/run/current-system", "/run/booted-system", "/nix/var/nix/profiles/system"].contains(text) ? nil : text
    }

    /// os-release(5): KEY=VALUE, the value perhaps quoted.
    private static func assignments(_ text: String) -> [String: String] {
        var found: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { continue }
            found[String(parts[0])] = parts[1].trimmingCharacters(in: CharacterSet(charactersIn: "\"' "))
        }
        return found
    }

    /// "● name.service loaded failed failed Description"
    private static func units(_ text: String) -> [String] {
        let names = text.split(separator: "\n").compactMap { line in
            line.split(separator: " ").map(String.init).first { $0.contains(".") }
        }
        return Set(names).sorted()
    }

    private static func files(_ sums: String, modes: String) -> [String: NodeFacts.File] {
        var found: [String: NodeFacts.File] = [:]
        for line in sums.split(separator: "\n") {
            // "DIGEST  PATH"; GNU's marks binary with a star.
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, parts[0].utf8.count == 64, parts[0].allSatisfy(\.isHexDigit) else { continue }
            let name = parts[1].drop { $0 == " " || $0 == "*" }
            guard name.hasPrefix("/") else { continue }
            found[String(name)] = NodeFacts.File(sha256: parts[0].lowercased(), mode: nil)
        }
        for line in modes.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, let mode = Int(parts[0], radix: 8) else { continue }
            found[String(parts[1])]?.mode = mode
        }
        return found
    }
}

/// A word of a shell's command line, whatever characters it has.
func quoted(_ word: String) -> String { "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'" }
