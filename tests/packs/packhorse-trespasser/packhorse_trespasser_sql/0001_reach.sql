CREATE TABLE mine (id int);
CREATE TABLE public.not_mine (id int);
