CREATE TABLE project (
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    name VARCHAR(80) NOT NULL,
    slug VARCHAR(40) NOT NULL,
    description VARCHAR(2000),
    color VARCHAR NOT NULL,
    id SERIAL NOT NULL,
    CONSTRAINT pk_project PRIMARY KEY (id),
    CONSTRAINT uq_project_slug UNIQUE (slug),
    CONSTRAINT ck_project_name_min_length CHECK (length(name) >= 1),
    CONSTRAINT ck_project_color_allowed CHECK (color IN ('moss', 'sky', 'amber', 'violet', 'rose', 'slate'))
);

CREATE TABLE history (
    id UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor VARCHAR(200),
    actor_kind VARCHAR,
    action VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    changes JSONB NOT NULL,
    CONSTRAINT pk_history PRIMARY KEY (id),
    CONSTRAINT ck_history_actor_kind_allowed CHECK (actor_kind IN ('human', 'agent')),
    CONSTRAINT ck_history_action_allowed CHECK (action IN ('created', 'changed', 'deleted', 'restored'))
);

CREATE INDEX ix_history_model_key_at ON history (model, key, at);

CREATE TABLE worker (
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    name VARCHAR(80) NOT NULL,
    type VARCHAR NOT NULL,
    id VARCHAR(40) NOT NULL,
    CONSTRAINT pk_worker PRIMARY KEY (id),
    CONSTRAINT ck_worker_name_min_length CHECK (length(name) >= 1),
    CONSTRAINT ck_worker_type_allowed CHECK (type IN ('human', 'agent'))
);

CREATE TABLE task (
    deleted_at TIMESTAMP WITH TIME ZONE,
    version INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    title VARCHAR(200) NOT NULL,
    description VARCHAR(20000),
    status VARCHAR NOT NULL,
    priority VARCHAR NOT NULL,
    progress_percent INTEGER NOT NULL,
    due_date DATE,
    contact VARCHAR(200),
    project_id INTEGER,
    id SERIAL NOT NULL,
    parent_id INTEGER,
    CONSTRAINT pk_task PRIMARY KEY (id),
    CONSTRAINT fk_task_project_id_project FOREIGN KEY(project_id) REFERENCES project (id) ON DELETE SET NULL,
    CONSTRAINT fk_task_parent_id_task FOREIGN KEY(parent_id) REFERENCES task (id) ON DELETE CASCADE,
    CONSTRAINT ck_task_title_min_length CHECK (length(title) >= 1),
    CONSTRAINT ck_task_status_allowed CHECK (status IN ('pending', 'in_progress', 'completed')),
    CONSTRAINT ck_task_priority_allowed CHECK (priority IN ('low', 'medium', 'high')),
    CONSTRAINT ck_task_progress_percent_range CHECK (progress_percent >= 0 AND progress_percent <= 100)
);

CREATE INDEX ix_task_parent_id ON task (parent_id);

CREATE INDEX ix_task_project_id ON task (project_id);

CREATE TABLE assignment (
    role VARCHAR NOT NULL,
    task_id INTEGER NOT NULL,
    worker_id VARCHAR(40) NOT NULL,
    assigned_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_assignment PRIMARY KEY (task_id, worker_id),
    CONSTRAINT fk_assignment_task_id_task FOREIGN KEY(task_id) REFERENCES task (id) ON DELETE CASCADE,
    CONSTRAINT fk_assignment_worker_id_worker FOREIGN KEY(worker_id) REFERENCES worker (id) ON DELETE CASCADE,
    CONSTRAINT ck_assignment_role_allowed CHECK (role IN ('assignee', 'reviewer'))
);

CREATE INDEX ix_assignment_worker_id ON assignment (worker_id);
