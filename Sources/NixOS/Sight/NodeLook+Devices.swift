import Foundation
import Host

extension NodeLook {
    /// The answer of `lsblk --json --bytes`; nil when it is none.
    static func blockDevices(_ text: String) -> [BlockDevice]? {
        (try? JSONDecoder().decode(Listing.self, fromOutside: text.utf8))?.blockdevices.map(\.device)
    }

    /// The answer of `lvs --reportformat json --units b --nosuffix`.
    static func logicalVolumes(_ text: String) -> [LogicalVolume]? {
        guard let report = try? JSONDecoder().decode(Report.self, fromOutside: text.utf8) else { return nil }
        return report.report.flatMap { $0.lv ?? [] }.compactMap { line in
            guard let bytes = UInt64(line.lv_size.prefix { $0.isNumber }) else { return nil }
            return LogicalVolume(group: line.vg_name, name: line.lv_name, bytes: bytes)
        }.sorted { ($0.group, $0.name) < ($1.group, $1.name) }
    }

    private struct Listing: Decodable { var blockdevices: [Line] }

    private struct Line: Decodable {
        var name: String
        var path: String?
        var type: String?
        var size: Size?
        var fstype: String?
        var partlabel: String?
        var serial: String?
        var mountpoints: [String?]?
        var children: [Line]?

        var device: BlockDevice {
            BlockDevice(
                name: name, path: path ?? "/dev/\(name)", type: type ?? "", bytes: size?.bytes, filesystem: fstype, partitionLabel: partlabel,
                serial: serial?.trimmingCharacters(in: .whitespaces), mountpoints: (mountpoints ?? []).compactMap { $0 }.sorted(),
                children: (children ?? []).map(\.device))
        }
    }

    /// A number, or the text of one in older versions.
    private struct Size: Decodable {
        var bytes: UInt64?

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let number = try? value.decode(UInt64.self) { bytes = number } else { bytes = UInt64(try value.decode(String.self)) }
        }
    }

    private struct Report: Decodable {
        struct Part: Decodable { var lv: [Volume]? }
        struct Volume: Decodable {
            var vg_name: String
            var lv_name: String
            var lv_size: String
        }
        var report: [Part]
    }
}
