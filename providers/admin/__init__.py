from providers.admin import credential, egress_grant, job, model_entry, provider, usage_record, validation_run

__all__ = ["credential", "egress_grant", "job", "model_entry", "provider", "usage_record", "validation_run"]
