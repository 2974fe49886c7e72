"""Every setting of the project, all from the environment. docs/operations.md lists each with its unit and default."""

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from config.admin_theme import UNFOLD  # noqa: F401 - the operators' admin, see there
from config.env import comma_list, env, state_dir, verbatim
from config.logging import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent
STATE_DIR = state_dir(BASE_DIR / "var")

# --- What this process is ---
DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "")
SECRET_KEY_FALLBACKS = comma_list("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = comma_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
PUBLIC_URL = env.str("PUBLIC_URL", "http://127.0.0.1:8000")  # in emails and Location headers made outside a request
HTTPS_ONLY = env.bool("HTTPS_ONLY", not DEBUG)  # secure cookies, HSTS, redirect; `bin/up` turns it off on loopback


# --- The web process ---
WEB_THREADS = env.int("WEB_THREADS", 8)  # threads, so connections, that Django's side runs in
WEB_DRAIN_SECONDS = env.float("WEB_DRAIN_SECONDS", 20.0)  # what running answers of `/v1` get on SIGTERM
CONTROL_BODY_MAX_BYTES = env.int("CONTROL_BODY_MAX_BYTES", 2 * 1024 * 1024)
CONTROL_BODY_SECONDS = env.float("CONTROL_BODY_SECONDS", 30.0)  # a body that takes longer to arrive is refused
DATA_UPLOAD_MAX_MEMORY_SIZE = CONTROL_BODY_MAX_BYTES  # Django's own limit comes second: the bridge answers 413

# --- Logs ---
ACCESS_LOG_SAMPLE = env.float("ACCESS_LOG_SAMPLE", 1.0)  # share of answered requests that are logged, 0 to 1
LOG_FORMAT = env.str("LOG_FORMAT", "json")  # json | plain
LOGGING = logging_config(level=env.str("LOG_LEVEL", "INFO"), form=LOG_FORMAT)

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # templates and static files; the site itself is ours
    "unfold.contrib.filters",
    "config.admin_site.OperatorsAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.headless",
    "tenants",
    "providers",
]

MIDDLEWARE = [
    "tenants.request_id.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "tenants.api.account_answers.AccountAnswersMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = None
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- Database: SQLite embedded, PostgreSQL in production ---
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{quote(str(STATE_DIR))}/modelyard.sqlite3")
}
SQLITE_HAS_WAL_RESET_BUG = sqlite3.sqlite_version_info < (3, 51, 3)
_database = DATABASES["default"]
_database["CONN_MAX_AGE"] = None  # lasting threads keep their connection; Django's default reconnects each request
_database["CONN_HEALTH_CHECKS"] = True
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _journal = "DELETE" if SQLITE_HAS_WAL_RESET_BUG else "WAL"
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",  # DEFERRED answers "database is locked" as soon as two writers meet
        "timeout": 20,
        "init_command": f"PRAGMA journal_mode={_journal}; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;",
    }
IN_DB_THREADS = env.int("IN_DB_THREADS", 4)  # threads, so connections, of the async side's door to the ORM
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis or Valkey ---
REDIS_URL = env.str("REDIS_URL", f"unix://{quote(str(STATE_DIR))}/valkey.sock?db=0")
REDIS_PREFIX = env.str("REDIS_PREFIX", "modelyard")

# --- Celery: doorbells only; the rows are the truth ---
_broker_url = REDIS_URL.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")  # kombu's spelling
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", _broker_url)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_DB_REUSE_MAX = 1000  # else Celery's Django fixup closes the connection around every task
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # else a worker ends when Redis is full, and its jobs with it
CELERY_BROKER_TRANSPORT_OPTIONS = {  # a publish into a dead or silent broker must fail within a few seconds
    "socket_timeout": 10,
    "socket_connect_timeout": 2,
    "health_check_interval": 10,
    "retry_on_timeout": True,
    "max_retries": 1,
    "interval_start": 0.1,
    "interval_max": 0.1,
}
SWEEP_SECONDS = 5.0  # how often lost leases, passed deadlines and lost doorbells are looked for
CELERY_BEAT_SCHEDULER = "config.scheduler:PresentScheduler"
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "providers.sweep", "schedule": SWEEP_SECONDS, "options": {"expires": SWEEP_SECONDS}},
    "sum_usage": {"task": "providers.sum_usage", "schedule": 600.0, "options": {"expires": 600.0}},
}

# --- Jobs ---
WORKER_CONCURRENCY = env.int("WORKER_CONCURRENCY", 64)  # calls for jobs in flight in one worker process
WORKER_DRAIN_SECONDS = env.float("WORKER_DRAIN_SECONDS", 25.0)  # what running attempts get on SIGTERM
JOB_MAX_ATTEMPTS = env.int("JOB_MAX_ATTEMPTS", 3)  # attempts ended by the upstream before a job has failed
JOB_RETENTION_DAYS = env.int("JOB_RETENTION_DAYS", 7)  # input, result and frames; the facts stay 90 days
JOB_STREAM_SECONDS = env.int("JOB_STREAM_SECONDS", 3600)  # how long the events of an ended job stay in Redis
JOB_RESULT_MAX_BYTES = env.int("JOB_RESULT_MAX_BYTES", 16 * 1024 * 1024)
QUEUE_MAX_PER_TENANT = env.int("QUEUE_MAX_PER_TENANT", 10_000)  # queued jobs; more is 429

# --- Validation ---
VALIDATIONS_PER_MINUTE = env.int("VALIDATIONS_PER_MINUTE", 60)  # runs of one tenant; what is more waits
VALIDATIONS_AT_ONCE = env.int("VALIDATIONS_AT_ONCE", 8)  # runs in flight in one worker process

# --- Keys that seal ---
KEYRING = verbatim.str("KEYRING", "")  # "id:base64key,…"; the first one seals, all open
KEYRING_FILE = verbatim.str("KEYRING_FILE", "")  # the same, a line each, in a 0600 file

# --- Accounts ---
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "tenants.password_hashing.Argon2",
    "tenants.password_hashing.PBKDF2",
]
PASSWORD_HASHES_AT_ONCE = env.int("PASSWORD_HASHES_AT_ONCE", 2)  # in one web process; each takes a core for a while
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SIGNUP = env.str("SIGNUP", "invite")  # closed | invite | open
TENANT_CREATION = env.str("TENANT_CREATION", "staff")  # staff | anyone
INVITATION_DAYS = env.int("INVITATION_DAYS", 7)  # how long an invitation may be accepted
KEY_USE_FLUSH_SECONDS = env.float("KEY_USE_FLUSH_SECONDS", 10.0)  # between batches of `last_used_at`
SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS_ONLY
SECURE_HSTS_PRELOAD = HTTPS_ONLY
SESSION_ENGINE = "tenants.session_store"
SESSION_COOKIE_AGE = env.int("SESSION_SECONDS", 14 * 24 * 3600)
SESSION_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_SECURE = HTTPS_ONLY
CSRF_FAILURE_VIEW = "tenants.api.problems.csrf_failure"
FRONTEND_URL = env.str("FRONTEND_URL", PUBLIC_URL).rstrip("/")  # where links in emails lead to
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Modelyard] "
ACCOUNT_ADAPTER = "tenants.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_VERIFICATION = "mandatory"  # accounts made by operators count as verified: tenants.models.user
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS_ONLY else "http"
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("app", "browser")
HEADLESS_FRONTEND_URLS = {
    "account_confirm_email": f"{FRONTEND_URL}/account/verify-email/{{key}}",
    "account_reset_password": f"{FRONTEND_URL}/account/password/reset",
    "account_reset_password_from_key": f"{FRONTEND_URL}/account/password/reset/key/{{key}}",
    "account_signup": f"{FRONTEND_URL}/account/signup",
}
MFA_ADAPTER = "tenants.accounts.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Modelyard"
STAFF_MFA_REQUIRED = env.bool("STAFF_MFA_REQUIRED", HTTPS_ONLY and not DEBUG)  # `bin/up` turns it off on loopback
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "modelyard@localhost")
EMAIL_TIMEOUT = 10  # seconds
vars().update(env.email_url("EMAIL_URL", "consolemail://"))  # password resets and address checks

# --- Cache: allauth's limits on logins ---
CACHES = {
    "default": {
        "BACKEND": "tenants.cache.SteadyCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": f"{REDIS_PREFIX}:cache",
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},  # seconds: a silent Redis holds no login
    }
}

# --- Browsers from other origins ---
CORS_ALLOWED_ORIGINS = comma_list("CORS_ALLOWED_ORIGINS")  # exact origins; none by default
CORS_URLS_REGEX = r"^/(api|_allauth)/"
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_HEADERS = [
    "accept",
    "accept-language",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "x-csrftoken",
    "x-email-verification-key",
    "x-password-reset-key",
    "x-request-id",
    "x-session-token",
]
CORS_EXPOSE_HEADERS = [
    "content-location",
    "deprecation",
    "etag",
    "idempotent-replayed",
    "location",
    "retry-after",
    "sunset",
    "x-request-id",
]
CSRF_TRUSTED_ORIGINS = comma_list("CSRF_TRUSTED_ORIGINS") or CORS_ALLOWED_ORIGINS

# --- The control plane: /api/v1 ---
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.api.authentication.ApiAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.api.authentication.IsKnown"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "tenants.api.authentication.JSONAnyway",
    "DEFAULT_PARSER_CLASSES": ["tenants.api.bodies.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["tenants.api.bodies.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "tenants.api.schema.ApiSchema",
    "EXCEPTION_HANDLER": "tenants.api.problems.problem_handler",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Modelyard",
    "DESCRIPTION": "Model providers, credentials, models and jobs of many tenants. Errors: docs/errors.md.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "providers.api.openapi.add_what_stands_beside_django",
    ],
    "ENUM_NAME_OVERRIDES": {
        "ActorKind": ["user", "api_key", "operator", "system"],
        "PrincipalKind": ["user", "api_key"],
        "Role": "tenants.models.membership.Role",
        "Scope": "tenants.permissions.SCOPES",
        "TenantState": "tenants.models.tenant.Tenant.State",
        "CredentialState": "providers.models.credential.Credential.State",
        "DiscoveryState": "providers.models.discovery.Discovery.State",
        "JobOperation": "providers.jobs.operations.NAMES",
        "JobPriority": "providers.jobs.orders.PRIORITIES",
        "JobRestart": "providers.jobs.orders.RESTARTS",
        "JobState": "providers.models.job.Job.State",
        "ModelHealthState": "providers.validation.model_health.HEALTH_STATES",
        "ModelMode": "providers.model_entries.MODES",
        "ModelType": "providers.models.model_entry.ModelType",
        "ParameterType": "providers.parameter_rules.PARAMETER_TYPES",
        "ProviderState": "providers.models.provider.Provider.State",
        "UsageBucket": "providers.usage.report.BUCKETS",
        "UsageDimension": "providers.usage.report.DIMENSIONS",
        "ValidationLevel": "providers.models.validation_run.ValidationRun.Level",
        "ValidationState": "providers.models.validation_run.ValidationRun.State",
        "ValidationStepName": "providers.validation.shown.STEPS",
        "Whose": ["caller", "upstream", "platform"],
    },
}

# --- Languages and time ---
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["config.formats"]  # times in the admin: to the second

# --- Static files (admin, API docs) ---
STATIC_URL = "/static/"
STATIC_ROOT = STATE_DIR / "static"

# --- Outbound calls ---
EGRESS_ALLOW = comma_list("EGRESS_ALLOW")  # CIDR[:port[-port]]; private addresses that may be dialled

# --- The data plane: /v1 ---
GATEWAY_BODY_MAX_BYTES = env.int("GATEWAY_BODY_MAX_BYTES", 15 * 1024 * 1024)  # as LocalAI's own limit
GATEWAY_BODY_SECONDS = env.float("GATEWAY_BODY_SECONDS", 60.0)  # for a body to arrive
GATEWAY_IMAGES_MAX_BYTES = env.int("GATEWAY_IMAGES_MAX_BYTES", 32 * 1024 * 1024)  # of one answer, as base64
GATEWAY_QUEUE_SECONDS = env.float("GATEWAY_QUEUE_SECONDS", 60.0)  # that a call waits for a slot
GATEWAY_QUEUE_MAX = env.int("GATEWAY_QUEUE_MAX", 100)  # calls of a tenant that may wait at an endpoint
COMMIT_AFTER_SECONDS = env.float("COMMIT_AFTER_SECONDS", 15.0)  # then a stream gets its 200 before its first token
KEEPALIVE_SECONDS = env.float("KEEPALIVE_SECONDS", 10.0)  # between comments on a silent stream
SLOW_READER_SECONDS = env.float("SLOW_READER_SECONDS", 30.0)  # that a stream's reader may take nothing
BREAKER_FAULTS = env.int("BREAKER_FAULTS", 5)  # in a row, before a provider or a model rests
BREAKER_FIRST_SECONDS = env.float("BREAKER_FIRST_SECONDS", 5.0)  # of its first rest; each next one is twice as long
BREAKER_MOST_SECONDS = env.float("BREAKER_MOST_SECONDS", 60.0)  # of the longest rest
SLOTS_WITHOUT_REDIS_PERCENT = env.int("SLOTS_WITHOUT_REDIS_PERCENT", 50)  # of each capacity, for one process
LIMITS_WITHOUT_REDIS_PERCENT = env.int("LIMITS_WITHOUT_REDIS_PERCENT", 50)  # of each rate limit, for one process
USAGE_REPORT_MAX_LINES = env.int("USAGE_REPORT_MAX_LINES", 20_000)  # a longer report is refused
USAGE_FLUSH_SECONDS = env.float("USAGE_FLUSH_SECONDS", 1.0)  # a crash loses at most this much metering
