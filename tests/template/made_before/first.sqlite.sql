CREATE TABLE project (
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    name VARCHAR(80) NOT NULL,
    slug VARCHAR(40) NOT NULL,
    description VARCHAR(2000),
    color VARCHAR NOT NULL,
    id INTEGER NOT NULL,
    CONSTRAINT pk_project PRIMARY KEY (id),
    CONSTRAINT uq_project_slug UNIQUE (slug),
    CONSTRAINT ck_project_name_min_length CHECK (length(name) >= 1),
    CONSTRAINT ck_project_name_max_length CHECK (length(name) <= 80),
    CONSTRAINT ck_project_slug_max_length CHECK (length(slug) <= 40),
    CONSTRAINT ck_project_description_max_length CHECK (length(description) <= 2000),
    CONSTRAINT ck_project_color_allowed CHECK (color IN ('moss', 'sky', 'amber', 'violet', 'rose', 'slate'))
);

CREATE TABLE worker (
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    name VARCHAR(80) NOT NULL,
    type VARCHAR NOT NULL,
    id VARCHAR(40) NOT NULL,
    CONSTRAINT pk_worker PRIMARY KEY (id),
    CONSTRAINT ck_worker_name_min_length CHECK (length(name) >= 1),
    CONSTRAINT ck_worker_name_max_length CHECK (length(name) <= 80),
    CONSTRAINT ck_worker_type_allowed CHECK (type IN ('human', 'agent')),
    CONSTRAINT ck_worker_id_max_length CHECK (length(id) <= 40)
);

CREATE TABLE task (
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    title VARCHAR(200) NOT NULL,
    description VARCHAR(20000),
    status VARCHAR NOT NULL,
    priority VARCHAR NOT NULL,
    progress_percent INTEGER NOT NULL,
    due_date DATE,
    project_id INTEGER,
    id INTEGER NOT NULL,
    parent_id INTEGER,
    CONSTRAINT pk_task PRIMARY KEY (id),
    CONSTRAINT fk_task_project_id_project FOREIGN KEY(project_id) REFERENCES project (id) ON DELETE SET NULL,
    CONSTRAINT fk_task_parent_id_task FOREIGN KEY(parent_id) REFERENCES task (id) ON DELETE CASCADE,
    CONSTRAINT ck_task_title_min_length CHECK (length(title) >= 1),
    CONSTRAINT ck_task_title_max_length CHECK (length(title) <= 200),
    CONSTRAINT ck_task_description_max_length CHECK (length(description) <= 20000),
    CONSTRAINT ck_task_status_allowed CHECK (status IN ('pending', 'in_progress', 'completed')),
    CONSTRAINT ck_task_priority_allowed CHECK (priority IN ('low', 'medium', 'high')),
    CONSTRAINT ck_task_progress_percent_range CHECK (progress_percent >= 0 AND progress_percent <= 100)
);

CREATE INDEX ix_task_project_id ON task (project_id);

CREATE INDEX ix_task_parent_id ON task (parent_id);

CREATE TABLE assignment (
    role VARCHAR NOT NULL,
    task_id INTEGER NOT NULL,
    worker_id VARCHAR NOT NULL,
    assigned_at DATETIME NOT NULL,
    CONSTRAINT pk_assignment PRIMARY KEY (task_id, worker_id),
    CONSTRAINT fk_assignment_task_id_task FOREIGN KEY(task_id) REFERENCES task (id) ON DELETE CASCADE,
    CONSTRAINT fk_assignment_worker_id_worker FOREIGN KEY(worker_id) REFERENCES worker (id) ON DELETE CASCADE,
    CONSTRAINT ck_assignment_role_allowed CHECK (role IN ('assignee', 'reviewer'))
);

CREATE INDEX ix_assignment_worker_id ON assignment (worker_id);
