import Manifest
import Resource

extension JSON {
    /// JSON Merge Patch (RFC 7396): members of the patch replace those of the target, null removes, objects are
    /// merged, anything else replaces the whole.
    func merged(with patch: JSON) -> JSON {
        guard case .object(let changes) = patch else { return patch }
        var target = object ?? [:]
        for (key, value) in changes {
            target[key] = value == .null ? nil : (target[key] ?? .null).merged(with: value)
        }
        return .object(target)
    }
}

/// A merge patch to an object, read and found to touch only what users may write.
struct ObjectPatch: Hashable, Sendable {
    var json: JSON
    var preconditions = Admission.Preconditions()

    var touchesSpec: Bool { json["spec"] != nil }

    init(_ json: JSON, to reference: Reference) throws(Refusal) {
        guard case .object(let members) = json else { throw .badRequest("a merge patch must be a JSON object") }
        self.json = json
        for key in members.keys.sorted() {
            switch key {
            case "spec": break
            case "metadata": try readMetadata(members[key] ?? .null, reference)
            case "apiVersion" where members[key]?.string == plasmaAPIVersion: break
            case "kind" where members[key]?.string == reference.kind: break
            case "status": throw Self.refused("status", "is written by the controllers only", reference)
            case "apiVersion", "kind": throw Self.refused(key, "cannot be changed", reference)
            default: throw Self.refused(key, "is not a member of an object; it has metadata and spec", reference)
            }
        }
    }

    private mutating func readMetadata(_ metadata: JSON, _ reference: Reference) throws(Refusal) {
        guard case .object(let members) = metadata else { throw Self.refused("metadata", "must be an object", reference) }
        for key in members.keys.sorted() {
            let value = members[key] ?? .null
            switch key {
            case "labels", "annotations":
                guard value == .null || value.object?.values.allSatisfy({ $0 == .null || $0.string != nil }) == true else {
                    throw Self.refused("metadata.\(key)", "must hold text, or null to remove", reference)
                }
            case "resourceVersion": preconditions.resourceVersion = value.string
            case "uid": preconditions.uid = value.string
            case "name" where value.string == reference.name: break
            default: throw Self.refused("metadata.\(key)", "cannot be changed", reference)
            }
        }
    }

    private static func refused(_ path: String, _ what: String, _ reference: Reference) -> Refusal {
        .invalid([
            Problem(file: "patch", mark: Mark(line: 1, column: 1), object: reference.description, path: path, message: what)
        ])
    }
}
