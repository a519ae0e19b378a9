"""All that decides about access in one cluster, over what its server stores.

    caller = gate.identities.caller_of(request.headers)  # where no caller is known already
    caller = gate.admit(caller, request.headers, attributes_of(request))

A server asks again where a request turns out to need more: `require` before an apply or an update creates, `guard` before a
role or binding is stored, and after each change of a ClusterRole stores what `aggregated` yields.
"""

from collections.abc import Callable, Mapping

from agent.kit.clock import Clock
from agent.kube.api import Object, Resource
from hub.sandbox.access.escalation import refuse_escalation
from hub.sandbox.access.identities import Identities
from hub.sandbox.access.impersonation import Impersonator, wanted_by
from hub.sandbox.access.rbac import Decision, authorize, forbidden_by
from hub.sandbox.access.request_info import Attributes
from hub.sandbox.access.reviews import Reviewer
from hub.sandbox.access.stored import StoredPolicies
from hub.sandbox.access.token_request import answer_token_request
from hub.sandbox.access.tokens import AccountTokens
from hub.sandbox.refusals import forbidden
from hub.sandbox.storage import Storage
from hub.sandbox.wire import Caller

_CERTIFICATES = Resource(
    group="certificates.k8s.io",
    version="v1",
    plural="certificatesigningrequests",
    kind="CertificateSigningRequest",
    namespaced=False,
)


class Gate:
    """Lets through who may pass. `fixed` are the holders of tokens that never end; `new_id` makes ids nobody can guess."""

    def __init__(
        self, storage: Storage, *, clock: Clock, fixed: Mapping[str, Caller], new_id: Callable[[], str]
    ) -> None:
        self._clock = clock
        self._policies = StoredPolicies(storage)
        self._tokens = AccountTokens(clock=clock, read=self._policies.read, new_id=new_id)
        self._impersonator = Impersonator(authorize=self.authorize)
        self.identities = Identities(fixed=fixed, accounts=self._tokens)
        self.reviewer = Reviewer(
            policies=self._policies, authorize=self.authorize, identities=self.identities
        )

    def authorize(self, caller: Caller, asked: Attributes) -> Decision:
        """Decide whether a caller may do what is asked."""
        return authorize(self._policies, caller, asked)

    def require(self, caller: Caller, asked: Attributes) -> None:
        """Refuse what a caller may not do. Raises Refused (403)."""
        decision = self.authorize(caller, asked)
        if not decision.allowed:
            raise forbidden_by(caller, asked, decision.reason)

    def admit(self, caller: Caller, headers: Mapping[str, str], asked: Attributes) -> Caller:
        """Return as whom a caller does what is asked: somebody else where the headers say so. Raises Refused."""
        wanted = wanted_by(headers)
        acting = caller if wanted is None else self._impersonator.become(caller, wanted, asked)
        self.require(acting, asked)
        return acting

    def guard(
        self, caller: Caller, asked: Attributes, resource: Resource, *, new: Object, old: Object | None
    ) -> None:
        """Refuse a role or binding about to be stored that grants more than the caller may. Raises Refused."""
        refuse_escalation(self._policies, caller, asked, resource, new=new, old=old)

    def require_approver(self, caller: Caller, request: Object) -> None:
        """Refuse who may not approve or deny certificates of a request's signer. Raises Refused (403)."""
        signer = request["spec"]["signerName"]
        for name in (signer, f"{signer.partition('/')[0]}/*"):
            asked = Attributes(
                verb="approve", group=_CERTIFICATES.group, version="*", resource="signers", name=name
            )
            if self.authorize(caller, asked).allowed:
                return
        why = f'user not permitted to approve requests with signerName "{signer}"'
        raise forbidden(_CERTIFICATES, request["metadata"]["name"], why)

    def token_request(self, body: Object, namespace: str, name: str) -> Object:
        """Answer a TokenRequest for a ServiceAccount. Raises Refused."""
        return answer_token_request(
            body,
            namespace=namespace,
            name=name,
            tokens=self._tokens,
            clock=self._clock,
            read=self._policies.read,
        )
