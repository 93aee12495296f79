import Chainfire
import Etcd
import GRPC
import SwiftProtobuf

/// `etcdserverpb.Auth`, of a store that has no users and no roles: every call answers what etcd answers in that state.
/// It cannot be enabled here, and users and roles cannot be added: those three calls say that it is not enabled.
struct AuthService: Sendable {
    let store: Chainfire

    func register(in endpoints: inout Endpoints) {
        refuse("AuthEnable", "enable", Etcdserverpb_AuthEnableRequest.self, Etcdserverpb_AuthEnableResponse.self, &endpoints) { _ in
            .authNotEnabled
        }
        refuse(
            "Authenticate", "authenticate", Etcdserverpb_AuthenticateRequest.self, Etcdserverpb_AuthenticateResponse.self, &endpoints
        ) { _ in .authNotEnabled }
        refuse("UserAdd", "user/add", Etcdserverpb_AuthUserAddRequest.self, Etcdserverpb_AuthUserAddResponse.self, &endpoints) {
            $0.name.isEmpty ? .userEmpty : .authNotEnabled
        }
        refuse("UserGet", "user/get", Etcdserverpb_AuthUserGetRequest.self, Etcdserverpb_AuthUserGetResponse.self, &endpoints) { _ in
            .userNotFound
        }
        refuse(
            "UserDelete", "user/delete", Etcdserverpb_AuthUserDeleteRequest.self, Etcdserverpb_AuthUserDeleteResponse.self, &endpoints
        ) { _ in .userNotFound }
        refuse(
            "UserChangePassword", "user/changepw", Etcdserverpb_AuthUserChangePasswordRequest.self,
            Etcdserverpb_AuthUserChangePasswordResponse.self, &endpoints
        ) { _ in .userNotFound }
        refuse(
            "UserGrantRole", "user/grant", Etcdserverpb_AuthUserGrantRoleRequest.self, Etcdserverpb_AuthUserGrantRoleResponse.self,
            &endpoints
        ) { _ in .userNotFound }
        refuse(
            "UserRevokeRole", "user/revoke", Etcdserverpb_AuthUserRevokeRoleRequest.self,
            Etcdserverpb_AuthUserRevokeRoleResponse.self, &endpoints
        ) { _ in .userNotFound }
        refuse("RoleAdd", "role/add", Etcdserverpb_AuthRoleAddRequest.self, Etcdserverpb_AuthRoleAddResponse.self, &endpoints) {
            $0.name.isEmpty ? .roleEmpty : .authNotEnabled
        }
        refuse("RoleGet", "role/get", Etcdserverpb_AuthRoleGetRequest.self, Etcdserverpb_AuthRoleGetResponse.self, &endpoints) { _ in
            .roleNotFound
        }
        refuse(
            "RoleDelete", "role/delete", Etcdserverpb_AuthRoleDeleteRequest.self, Etcdserverpb_AuthRoleDeleteResponse.self, &endpoints
        ) { _ in .roleNotFound }
        refuse(
            "RoleGrantPermission", "role/grant", Etcdserverpb_AuthRoleGrantPermissionRequest.self,
            Etcdserverpb_AuthRoleGrantPermissionResponse.self, &endpoints
        ) { _ in .roleNotFound }
        refuse(
            "RoleRevokePermission", "role/revoke", Etcdserverpb_AuthRoleRevokePermissionRequest.self,
            Etcdserverpb_AuthRoleRevokePermissionResponse.self, &endpoints
        ) { _ in .roleNotFound }
        registerAnswers(in: &endpoints)
    }

    private func registerAnswers(in endpoints: inout Endpoints) {
        endpoints.unary("/etcdserverpb.Auth/AuthDisable", ["auth/disable"]) {
            [store] (_: Etcdserverpb_AuthDisableRequest, answer: @escaping Answer<Etcdserverpb_AuthDisableResponse>) in
            answer(.success(.with { $0.header = .init(store.header) }))
        }
        endpoints.unary("/etcdserverpb.Auth/AuthStatus", ["auth/status"]) {
            [store] (_: Etcdserverpb_AuthStatusRequest, answer: @escaping Answer<Etcdserverpb_AuthStatusResponse>) in
            answer(.success(.with {
                $0.header = .init(store.header)
                $0.authRevision = 1
            }))
        }
        endpoints.unary("/etcdserverpb.Auth/UserList", ["auth/user/list"]) {
            [store] (_: Etcdserverpb_AuthUserListRequest, answer: @escaping Answer<Etcdserverpb_AuthUserListResponse>) in
            answer(.success(.with { $0.header = .init(store.header) }))
        }
        endpoints.unary("/etcdserverpb.Auth/RoleList", ["auth/role/list"]) {
            [store] (_: Etcdserverpb_AuthRoleListRequest, answer: @escaping Answer<Etcdserverpb_AuthRoleListResponse>) in
            answer(.success(.with { $0.header = .init(store.header) }))
        }
    }

    private func refuse<Request: Message & Sendable, Response: Message & Sendable>(
        _ call: String, _ path: String, _: Request.Type, _: Response.Type, _ endpoints: inout Endpoints,
        _ status: @escaping @Sendable (Request) -> GRPCStatus
    ) {
        endpoints.unary("/etcdserverpb.Auth/" + call, ["auth/" + path]) { (request: Request, answer: @escaping Answer<Response>) in
            answer(.failure(status(request)))
        }
    }
}
