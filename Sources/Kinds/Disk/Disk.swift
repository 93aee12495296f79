import Manifest
import Resource

/// A disk image on the host.
package enum Disk: Kind {
    package static let name = "Disk"
    package static let plural = "disks"
    package static let summary = "A disk image: its size, format, what it holds and what may destroy it."
    package static let columns = [
        Column("SIZE", "spec.size"), Column("FORMAT", "spec.format"), Column("ALLOCATED", "status.allocated"),
        Column("PATH", "status.path", wide: true),
    ]

    package struct Spec: Codable, Hashable, Sendable {
        /// Grows on change; never shrinks.
        var size: ByteCount
        var format: Format
        /// The image that this one starts as a copy of (copy on write).
        var backing: Backing?
        var layout: Layout?
        var wipePolicy: WipePolicy
        var deletionPolicy: DeletionPolicy
        /// nil: `<data>/disks/<name>.<format>`.
        var path: FilePathText?
    }

    package enum Format: String, Codable, Hashable, Sendable, CaseIterable { case qcow2, raw }

    /// What may destroy the contents of a disk that holds something.
    package enum WipePolicy: String, Codable, Hashable, Sendable, CaseIterable {
        /// Nothing may.
        case never = "Never"
        /// A person's consent, which is spent by use.
        case withConsent = "WithConsent"
    }

    /// What becomes of the image when the object is deleted.
    package enum DeletionPolicy: String, Codable, Hashable, Sendable, CaseIterable { case retain = "Retain", delete = "Delete" }

    package struct Backing: Codable, Hashable, Sendable {
        var path: FilePathText
        var format: Format
    }

    package struct Status: Codable, Hashable, Sendable {
        var path: String?
        var format: String?
        /// As the guest sees it.
        var size: ByteCount?
        /// What it takes on the host.
        var allocated: ByteCount?
        /// Consents to destroy that were used: none is honoured twice.
        var spentConsents: [String] = []
        /// Whether plasma made the image, or found just what was wanted: nothing else is removed with the object.
        var isOurs: Bool?

        init() {}
    }

    package static func readSpec(_ fields: inout Fields) -> Spec {
        let size = readSize(&fields)
        let format = readFormat(&fields)
        return Spec(
            size: size, format: format, backing: readBacking(&fields, format: format),
            layout: readLayout(&fields), wipePolicy: readWipePolicy(&fields), deletionPolicy: readDeletionPolicy(&fields),
            path: readPath(&fields))
    }

    // What Disk and the disks of a Node have in common.

    static func readSize(_ fields: inout Fields) -> ByteCount {
        fields.checked(
            "size",
            {
                $0.size(
                    "size", .mebibytes(1)...(.tebibytes(1024)),
                    "Size as the guest sees it: 100GB, 80GiB. It may grow, never shrink.")
            }
        ) { $0.bytes % 512 == 0 ? nil : "\"\($0.scalarText)\" is not a multiple of 512 bytes, the size of a sector" }
    }

    static func readFormat(_ fields: inout Fields) -> Format {
        fields.choice("format", default: .qcow2, "Format of the image file.")
    }

    static func readBacking(_ fields: inout Fields, format: Format) -> Backing? {
        fields.checked(
            "backing",
            { fields in
                fields.optionalObject("backing", "The image that this one starts as a copy of (copy on write).") { fields in
                    Backing(
                        path: fields.required("path", "Path of the image on the host."),
                        format: fields.choice("format", default: .qcow2, "Format of that image."))
                }
            }
        ) { $0 == nil || format == .qcow2 ? nil : "needs format qcow2: a \(format.rawValue) image cannot have a backing image" }
    }

    static func readLayout(_ fields: inout Fields) -> Layout? {
        fields.optionalObject("layout", "What the disk holds, in the words of disko.", Layout.read)
    }

    static func readWipePolicy(_ fields: inout Fields) -> WipePolicy {
        fields.choice(
            "wipePolicy", default: .withConsent,
            "What may destroy its contents. Never: nothing. WithConsent: a consent, spent by use.")
    }

    static func readDeletionPolicy(_ fields: inout Fields) -> DeletionPolicy {
        fields.choice("deletionPolicy", default: .retain, "What becomes of the image when the object is deleted.")
    }

    static func readPath(_ fields: inout Fields) -> FilePathText? {
        fields.optional("path", "Path of the image on the host; under the data directory when absent.")
    }
}

extension Disk.Status {
    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        path = try fields.decodeIfPresent(String.self, forKey: .path)
        format = try fields.decodeIfPresent(String.self, forKey: .format)
        size = try fields.decodeIfPresent(ByteCount.self, forKey: .size)
        allocated = try fields.decodeIfPresent(ByteCount.self, forKey: .allocated)
        spentConsents = try fields.decodeIfPresent([String].self, forKey: .spentConsents) ?? []
        isOurs = try fields.decodeIfPresent(Bool.self, forKey: .isOurs)
    }
}
