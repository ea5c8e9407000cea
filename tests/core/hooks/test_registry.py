import pytest
from pydantic import BaseModel, ConfigDict

from sandmle.core.errors import ConfigError, PluginError
from sandmle.core.hooks.registry import Kind, Registered, Registry, Spec


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout_s: float = 3.0


def needs_a_package(config: Options) -> None:
    import a_package_nobody_has  # noqa: F401


@pytest.fixture
def registry() -> Registry:
    specs = [
        Spec(name="process", summary="", make=lambda config: config, config=Options),
        Spec(name="docker", summary="", make=needs_a_package, config=Options, extra="docker"),
    ]
    return Registry({(Kind.SANDBOX, one.name): Registered(kind=Kind.SANDBOX, spec=one, source="x") for one in specs})


def test_options_are_validated_by_the_specs_own_type(registry):
    assert registry.make(Kind.SANDBOX, "process", {"timeout_s": 5}).timeout_s == 5.0


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("proces", {}, "no sandbox named 'proces'; did you mean 'process'?"),
        (
            "process",
            {"timeout": 1},
            "unknown configuration key 'plugin.sandbox.process.timeout'; did you mean 'timeout_s'?",
        ),
        ("process", {"timeout_s": "soon"}, "plugin.sandbox.process.timeout_s: Input should be a valid number"),
    ],
)
def test_wrong_names_keys_and_values_are_named(registry, name, options, complaint):
    with pytest.raises(ConfigError) as caught:
        registry.make(Kind.SANDBOX, name, options)
    assert complaint in str(caught.value)


def test_a_missing_package_names_the_extra_to_install(registry):
    with pytest.raises(PluginError, match=r"pip install 'sandmle\[docker\]'"):
        registry.make(Kind.SANDBOX, "docker")
