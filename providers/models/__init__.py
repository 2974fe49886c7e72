from providers.models.credential import Credential, SealedSecret
from providers.models.default_model import DefaultModel
from providers.models.discovery import Discovery
from providers.models.egress_grant import EgressGrant
from providers.models.job import Job
from providers.models.model_entry import ModelEntry, ModelType
from providers.models.provider import Provider
from providers.models.usage_hour import UsageHour
from providers.models.usage_record import UsageRecord
from providers.models.validation_run import ValidationRun

__all__ = [
    "Credential",
    "DefaultModel",
    "Discovery",
    "EgressGrant",
    "Job",
    "ModelEntry",
    "ModelType",
    "Provider",
    "SealedSecret",
    "UsageHour",
    "UsageRecord",
    "ValidationRun",
]
