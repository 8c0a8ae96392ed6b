"""From the file's limits to `Budgets`. The defaults are those of `budgets`."""

from ipaddress import ip_network

from sidecar.budgets import Budget, Budgets, Range
from sidecar.settings.errors import Problem
from sidecar.settings.schema import BudgetSection, LimitsSection, RangeSection


def resolve_limits(raw: LimitsSection, problems: list[Problem]) -> Budgets:
    names = [each.name for each in raw.ranges]
    problems += (
        Problem(f"limits.ranges[{name}].name", "is used twice; each range needs its own")
        for name in sorted({name for name in names if names.count(name) > 1})
    )
    default = Budgets()
    return Budgets(
        registrations=_budget(raw.registrations, default.registrations),
        pool_registrations=_budget(raw.pool_registrations, default.pool_registrations),
        sign_ins=_budget(raw.sign_ins, default.sign_ins),
        failed_authentications=_budget(raw.failed_authentications, default.failed_authentications),
        documents=_budget(raw.documents, default.documents),
        ranges=tuple(_range(each) for each in raw.ranges),
    )


def _range(raw: RangeSection) -> Range:
    plain = Range(raw.name, tuple(ip_network(cidr) for cidr in raw.cidrs))
    return Range(
        plain.name,
        plain.networks,
        _budget(raw.registrations, plain.registrations),
        _budget(raw.sign_ins, plain.sign_ins),
    )


def _budget(raw: BudgetSection, default: Budget) -> Budget:
    per_hour = default.per_hour if raw.per_hour is None else raw.per_hour
    return Budget(per_hour, default.burst if raw.burst is None else raw.burst)
