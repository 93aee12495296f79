import Manifest
import Resource

/// What Kubernetes' clients ask before anything else: which groups, versions and resources there are.
enum Discovery {
    private static let group = "plasma.cloud"
    private static let version: JSON = ["groupVersion": .string(plasmaAPIVersion), "version": .string(plasmaAPIVersion.lastPart)]

    static let versions: JSON = ["kind": "APIVersions", "versions": []]

    static let groups: JSON = ["apiVersion": "v1", "groups": .array([groupMembers]), "kind": "APIGroupList"]

    static var apiGroup: JSON {
        var group = groupMembers
        group["apiVersion"] = "v1"
        group["kind"] = "APIGroup"
        return group
    }

    private static let groupMembers: JSON = ["name": .string(group), "preferredVersion": version, "versions": .array([version])]

    static func resources(_ kinds: KindTable) -> JSON {
        var list: [JSON] = []
        for kind in kinds.all {
            list.append(resource(kind.plural, kind.name, ["create", "delete", "get", "list", "patch", "update", "watch"], kind))
            list.append(resource(kind.plural + "/status", kind.name, ["get"], nil))
            list.append(resource(kind.plural + "/log", kind.name, ["get"], nil))
        }
        list.append(resource("events", "Event", ["get", "list", "watch"], nil))
        return [
            "apiVersion": "v1", "groupVersion": .string(plasmaAPIVersion), "kind": "APIResourceList", "resources": .array(list),
        ]
    }

    private static func resource(_ name: String, _ kind: String, _ verbs: [String], _ any: AnyKind?) -> JSON {
        var resource: JSON = [
            "kind": .string(kind), "name": .string(name), "namespaced": false, "singularName": .string(any?.name.lowercased() ?? ""),
            "verbs": .array(verbs.map(JSON.string)),
        ]
        if let any, !any.shortNames.isEmpty { resource["shortNames"] = .array(any.shortNames.map(JSON.string)) }
        return resource
    }
}

extension String {
    /// What follows the last slash.
    fileprivate var lastPart: String { split(separator: "/").last.map(String.init) ?? self }
}
