"""Messages of a cluster that asks for TLS and an account, by each mechanism."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from confluent_kafka.admin import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from stage import Ended
from stream_stage import StreamStage, make_stream_stage

pytestmark = pytest.mark.broker

PASSWORD = "hunter2 of Kafka"
LISTENER = """\
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
  user_warehouse="{password}";
listener.name.secure.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.oauthbearer.sasl.jaas.config=\
  org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
  unsecuredLoginStringClaim_sub="broker";
"""
ACCOUNT = f"sasl.username=warehouse\nsasl.password={PASSWORD}\n"
MECHANISMS = {
    "PLAIN": ACCOUNT,
    "SCRAM-SHA-256": ACCOUNT,
    "SCRAM-SHA-512": ACCOUNT,
    "OAUTHBEARER": "enable.sasl.oauthbearer.unsecure.jwt=true\nsasl.oauthbearer.config=principal=warehouse\n",
}


class Secured:
    """A warehouse, and a broker whose secure listener knows one account."""

    def __init__(self, stage: StreamStage, authority: Path) -> None:
        self.stage, self._authority = stage, authority

    def begin(self) -> None:
        """Begin with an empty warehouse and ten messages in a new topic."""
        self.stage.begin()
        self.stage.send(10)

    def take_in(self, mechanism: str, settings: str, authority: Path | None = None) -> Ended:
        """Read by the secure listener until no message is left."""
        path = self._authority.with_name("kafka.properties")
        path.write_text(
            f"security.protocol=SASL_SSL\nssl.ca.location={authority or self._authority}\n"
            f"sasl.mechanism={mechanism}\n{settings}"
        )
        servers = self.stage.broker.secure_servers
        return self.stage.take_in(KAFKA_BOOTSTRAP_SERVERS=servers, KAFKA_PROPERTIES=str(path))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secure")
    for above in (folder, *folder.parents[:2]):
        above.chmod(0o755)  # the server's own user must be able to enter
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    # Kafka reads a key in this form alone
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "broker.pem").write_bytes(key_pem + b"".join(it.bytes() for it in certificate.cert_chain_pems))
    home = folder / "stage"
    home.mkdir()
    with make_stream_stage(home, LISTENER.format(folder=folder, password=PASSWORD)) as stage:
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            account = UserScramCredentialUpsertion("warehouse", ScramCredentialInfo(mechanism, 4096), PASSWORD.encode())
            for future in stage.broker.admin.alter_user_scram_credentials([account]).values():
                future.result(30)
        yield Secured(stage, folder / "ca.pem")


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_messages_come_by_tls_and_each_mechanism(secured: Secured, mechanism: str) -> None:
    secured.begin()
    ended = secured.take_in(mechanism, MECHANISMS[mechanism])
    assert ended.code == 0, ended.text
    assert "Loaded 10 messages, 20 rows" in ended.text
    assert secured.stage.read_content().describe_difference(secured.stage.truth()) is None


@pytest.mark.parametrize("mechanism", [name for name in MECHANISMS if name != "OAUTHBEARER"])
def test_a_wrong_password_is_named_and_not_shown(secured: Secured, mechanism: str) -> None:
    secured.begin()
    ended = secured.take_in(mechanism, ACCOUNT.replace(PASSWORD, "swordfish"))
    assert ended.code == 2, ended.text
    assert "The Kafka cluster refuses this account" in ended.text
    assert "KAFKA_PROPERTIES" in ended.text
    assert "swordfish" not in ended.text
    assert secured.stage.read_content().records == 0


def test_a_certificate_of_an_unknown_authority_is_refused(secured: Secured, tmp_path: Path) -> None:
    secured.begin()
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "unknown.pem"))
    ended = secured.take_in("PLAIN", ACCOUNT, tmp_path / "unknown.pem")
    assert ended.code == 2, ended.text
    assert "certificate" in ended.text
    assert secured.stage.read_content().records == 0
