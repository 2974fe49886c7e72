"""Questions over documents, as LocalAI's own example `langchain-chroma` does it: embed, store, find, answer.

    OPENAI_BASE_URL=…/v1 OPENAI_API_KEY=… python questions.py

Prints, as JSON, what was found for each question by either embedding class, and the model's answers.
"""

import json
import os

from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_localai import LocalAIEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

BASE_URL = os.environ["OPENAI_BASE_URL"]
KEY = os.environ["OPENAI_API_KEY"]
DOCUMENTS = {
    "password": "To set a new password, open the login page, choose 'Forgot password', follow the link.",
    "holiday": "Every employee has thirty days of holiday a year. Ask your team lead two weeks ahead.",
    "printer": "The printer on the second floor takes A4 paper. When it jams, open the rear door and pull gently.",
}
QUESTIONS = {"password": "How can I log in when I forgot my password?", "holiday": "How much vacation do I get?"}
PROMPT = ChatPromptTemplate.from_template("Answer in one sentence from this context: {context}\nQuestion: {question}")


def embeddings():
    yield OpenAIEmbeddings(
        model="text-embedding-ada-002",
        check_embedding_ctx_length=False,  # else it sends OpenAI's token numbers, which mean nothing to other models
    )
    yield LocalAIEmbeddings(model="text-embedding-ada-002", openai_api_base=BASE_URL, openai_api_key=KEY)


def store(embedding):
    documents = [Document(page_content=text, metadata={"subject": name}) for name, text in DOCUMENTS.items()]
    return Chroma.from_documents(documents, embedding, collection_name=type(embedding).__name__.lower())


def main():
    stores = [store(embedding) for embedding in embeddings()]
    found = {
        name: [kept.similarity_search(question, k=1)[0].metadata["subject"] for kept in stores]
        for name, question in QUESTIONS.items()
    }
    model = ChatOpenAI(model="gpt-3.5-turbo", max_tokens=60, temperature=0)
    retriever = stores[0].as_retriever(search_kwargs={"k": 1}) | (lambda documents: documents[0].page_content)
    chain = {"context": retriever, "question": RunnablePassthrough()} | PROMPT | model | StrOutputParser()
    answers = {name: chain.invoke(question) for name, question in QUESTIONS.items()}
    streamed = "".join(chain.stream(QUESTIONS["password"]))
    print(json.dumps({"found": found, "answers": answers, "streamed": streamed}))


if __name__ == "__main__":
    main()
